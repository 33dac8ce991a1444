"""The chat log on RabbitMQ streams."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from datetime import datetime
from typing import Self

from typing_extensions import override

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.errors import AmqpUnavailable, answer_within
from madang_common.amqp.sender import Sender
from madang_common.amqp.stream import (
    Message,
    StreamOffset,
    StreamReader,
    first_offset_since,
    newest_offset,
)
from madang_common.log import topology
from madang_common.log.declare import declare_log
from madang_common.log.port import Batch, Log, LogUnavailable, Retention, Start
from madang_common.log.position import MAX_LINES
from madang_common.log.topology import stream_name

_CONTENT_TYPE = "application/x-ndjson"
_PREFETCH = 64
"""Batches of a shard that the broker sends ahead of a slow reader."""
_ANSWER_SECONDS = 5.0
_STUCK_SECONDS = 10.0
"""How long a reader may receive nothing while batches are there, until it is ended."""


class AmqpLog(Log):
    """The production log. Make one with `await AmqpLog.open(url, shards)`.

    It writes over one connection and reads over another, because a broker that throttles a
    publisher stops reading from its whole connection.
    """

    def __init__(self, shards: int, writing: AmqpConnection, reading: AmqpConnection) -> None:
        self._writing = writing
        self._reading = reading
        self._sender = Sender(writing)
        self._readers: set[StreamReader] = set()
        # A lower bound of the end of each shard.
        self._reached = [0] * shards
        self._closed = False

    @classmethod
    async def open(
        cls,
        url: str,
        shards: int,
        *,
        retention: Retention | None = None,
        name: str = "madang",
        patience_seconds: float = 60.0,
    ) -> Self:
        """Connect, and declare the log if it does not exist.

        Raise LogMismatch if its shard count differs, LogUnavailable if no node accepts this user
        within `patience_seconds`.
        """
        chat_log = cls(
            shards,
            AmqpConnection(url, f"{name} log writer"),
            AmqpConnection(url, f"{name} log reader"),
        )
        try:
            await chat_log._reading.wait_for(patience_seconds)
            await declare_log(chat_log._reading, shards, retention or Retention())
            await chat_log._writing.wait_for(_ANSWER_SECONDS)
        except AmqpUnavailable as error:
            await chat_log.close()
            raise LogUnavailable(str(error)) from error
        except BaseException:
            await chat_log.close()
            raise
        return chat_log

    @property
    @override
    def shards(self) -> int:
        return len(self._reached)

    @property
    @override
    def connected(self) -> bool:
        return self._reading.connected

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        if self._closed:
            raise LogUnavailable("the log is closed")
        if not 1 <= len(lines) <= MAX_LINES:
            raise ValueError(f"a batch holds 1 to {MAX_LINES} lines, not {len(lines)}")
        body = b"\n".join(lines)
        if body.count(b"\n") >= len(lines):
            raise ValueError("a line contains no line break")
        try:
            await self._sender.send(topology.LOG, str(shard), body, content_type=_CONTENT_TYPE)
        except AmqpUnavailable as error:
            raise LogUnavailable(str(error)) from error
        self._reached[shard] = self._reached[shard] or 1

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        if self._closed:
            return
        stream = stream_name(shard)
        expected = None if start == "first" else start
        reader: StreamReader | None = None
        watch: asyncio.Task[None] | None = None
        try:
            newest = await self._peek(shard)
            if isinstance(expected, datetime):
                expected = await self._offset_at(shard, expected, newest)
            first = _existing_offset(expected or 0, newest)
            reader = await StreamReader.open(self._reading, stream, first, prefetch=_PREFETCH)
            self._readers.add(reader)
            watch = asyncio.create_task(self._end_when_stuck(reader, shard), name="log-watch")
            while not self._closed:
                message = await reader.next()
                for batch in _batches(message, expected):
                    yield batch
                expected = max(expected or 0, message.offset + 1)
                self._reached[shard] = max(self._reached[shard], message.offset + 1)
        except AmqpUnavailable as error:
            if not self._closed:
                raise LogUnavailable(str(error)) from error
        finally:
            if watch is not None:
                watch.cancel()
            if reader is not None:
                self._readers.discard(reader)
                reader.close()

    @override
    async def end(self, shard: int) -> int:
        if self._closed:
            raise LogUnavailable("the log is closed")
        newest = await self._newest(shard)
        if newest is not None:
            self._reached[shard] = max(self._reached[shard], newest + 1)
        return self._reached[shard]

    @override
    async def ping(self) -> None:
        if self._closed:
            raise LogUnavailable("the log is closed")
        try:
            async with answer_within(_ANSWER_SECONDS):
                for connection in (self._writing, self._reading):
                    connection.release(await connection.channel())
        except AmqpUnavailable as error:
            raise LogUnavailable(str(error)) from error

    @override
    async def close(self) -> None:
        self._closed = True
        for reader in self._readers:
            reader.end("the log is closed")
        await asyncio.gather(self._writing.close(), self._reading.close())

    async def _end_when_stuck(self, reader: StreamReader, shard: int) -> None:
        """End `reader` when the broker no longer sends to it.

        RabbitMQ 3.10 never sends again to some consumers that retention has overtaken.
        """
        while True:
            before = reader.reached
            await asyncio.sleep(_STUCK_SECONDS)
            if before is None or reader.reached != before:
                continue
            try:
                newest = await self._newest(shard)
            except LogUnavailable:
                continue  # the reader fails with the connection
            await asyncio.sleep(_ANSWER_SECONDS)
            if newest is not None and newest > before == reader.reached:
                reader.end("the broker stopped sending although there are more batches")
                return

    async def _newest(self, shard: int) -> int | None:
        try:
            async with answer_within(_ANSWER_SECONDS):
                return await self._peek(shard)
        except AmqpUnavailable as error:
            raise LogUnavailable(str(error)) from error

    async def _peek(self, shard: int) -> int | None:
        """Return the offset of the newest message, or None if there is none."""
        return await newest_offset(
            self._reading, stream_name(shard), known_nonempty=self._reached[shard] > 0
        )

    async def _offset_at(self, shard: int, time: datetime, newest: int | None) -> int:
        """Return an offset at or before `newest` and the first batch stored at or after `time`."""
        if newest is None:
            return 0
        since = await first_offset_since(self._reading, stream_name(shard), time)
        return newest if since is None else min(since, newest)


def _existing_offset(offset: int, newest: int | None) -> StreamOffset:
    """Return an offset that exists, at or before `offset`.

    RabbitMQ 3.10 replaces an offset that does not exist yet by the end at the time of the request,
    which would skip batches that were appended meanwhile.
    """
    return "first" if newest is None else min(offset, newest)


def _batches(message: Message, expected: int | None) -> Iterator[Batch]:
    """Yield the batches in `message` for a reader that has seen everything before `expected`."""
    if expected is not None and message.offset < expected:
        return  # part of a chunk that starts earlier
    if expected is not None and message.offset == expected + 1:
        # RabbitMQ uses one offset itself where a segment of the stream starts.
        yield Batch(expected, ())
    yield Batch(message.offset, tuple(message.body.split(b"\n")))
