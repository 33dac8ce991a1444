"""The chat log on RabbitMQ streams."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Self

from typing_extensions import override

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.amqp.errors import (
    AmqpNotFound,
    AmqpUnavailable,
    AmqpUnroutable,
    answer_within,
)
from madang_common.amqp.sender import Sender
from madang_common.amqp.stream import (
    Message,
    StreamOffset,
    StreamReader,
    first_offset_since,
    newest_message,
)
from madang_common.log import topology
from madang_common.log.declare import declare_log, log_exists, was_begun
from madang_common.log.ending import existing_shards, queue_exists
from madang_common.log.port import (
    Batch,
    Log,
    LogEnded,
    LogError,
    LogLost,
    LogUnavailable,
    Retention,
    Start,
)
from madang_common.log.position import MAX_LINES, first_offset
from madang_common.log.topology import SETUP_COMMAND, routing_key, stream_name

_CONTENT_TYPE = "application/x-ndjson"
_PREFETCH = 64
"""Batches of a shard that the broker sends ahead of a slow reader."""
_ANSWER_SECONDS = 5.0
_LAG_SECONDS = 5.0
"""Longest lag of a replica behind another that was read before."""
_LAG_PAUSE_SECONDS = 0.2
_STUCK_SECONDS = 10.0
"""How long a reader may receive nothing while batches are there, until it is ended."""


class AmqpLog(Log):
    """The production log. Make one with `await AmqpLog.open(endpoint, shards, epoch=epoch)`.

    Inside, offsets are those of the streams; `_first` is added to all that leave it.

    It writes over one connection and reads over another, because a broker that throttles a
    publisher stops reading from its whole connection.
    """

    def __init__(
        self, epoch: int, shards: int, writing: AmqpConnection, reading: AmqpConnection
    ) -> None:
        self._epoch = epoch
        self._first = first_offset(epoch)
        self._writing = writing
        self._reading = reading
        self._sender = Sender(writing)
        self._readers: set[StreamReader] = set()
        # A lower bound of the end of each stream.
        self._reached = [0] * shards
        self._closed = False

    @classmethod
    async def open(
        cls,
        endpoint: AmqpEndpoint,
        shards: int,
        *,
        epoch: int = 0,
        retention: Retention | None = None,
        name: str = "madang",
        patience_seconds: float = 60.0,
        declare_even_if_exists: bool = False,
    ) -> Self:
        """Connect, and declare the log if it does not exist in `epoch`, which ends those before.

        With `declare_even_if_exists` a binding that RabbitMQ lost is made again. Raise LogMismatch
        if the shard count differs, or if `epoch` has ended or the next was begun. Raise
        LogUnavailable if no node accepts this user within `patience_seconds`, or if after as long
        again the log is unavailable, or does not exist and this user may not declare it.
        """
        writing, reading = _connections(endpoint, name)
        chat_log = cls(epoch, shards, writing, reading)
        async with _closed_on_error(chat_log):
            await reading.wait_for(patience_seconds)
            await declare_log(
                reading,
                epoch,
                shards,
                retention or Retention(),
                patience_seconds=patience_seconds,
                even_if_exists=declare_even_if_exists,
            )
            await writing.wait_for(_ANSWER_SECONDS)
        return chat_log

    @classmethod
    async def open_current(
        cls,
        endpoint: AmqpEndpoint,
        shards: int,
        *,
        epoch: int = 0,
        name: str = "madang",
        patience_seconds: float = 60.0,
    ) -> Self | None:
        """Connect; return None if the log does not exist in `epoch`. Nothing is declared.

        Raise LogMismatch and LogUnavailable as `open`.
        """
        writing, reading = _connections(endpoint, name)
        chat_log = cls(epoch, shards, writing, reading)
        async with _closed_on_error(chat_log):
            await reading.wait_for(patience_seconds)
            if await log_exists(reading, epoch, shards, patience_seconds=patience_seconds):
                return chat_log
        await chat_log.close()
        return None

    @classmethod
    async def open_existing(
        cls,
        endpoint: AmqpEndpoint,
        shards: int | None,
        *,
        epoch: int,
        name: str = "madang",
        patience_seconds: float = 60.0,
    ) -> Self | None:
        """Connect, to read; return None if no stream of `epoch` exists. Nothing is declared.

        Without `shards` it has those before the first one that does not exist. Raise LogUnavailable
        if RabbitMQ does not answer within `patience_seconds`.
        """
        writing, reading = _connections(endpoint, name)
        chat_log = cls(epoch, shards or 0, writing, reading)
        async with _closed_on_error(chat_log):
            await reading.wait_for(patience_seconds)
            found = [shard async for shard in existing_shards(reading, epoch, shards or 0)]
            if found:
                chat_log._reached = [0] * (shards or len(found))
                return chat_log
        await chat_log.close()
        return None

    @property
    @override
    def epoch(self) -> int:
        return self._epoch

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
        key = routing_key(shard, self._epoch)
        try:
            await self._sender.send(topology.LOG, key, body, content_type=_CONTENT_TYPE)
        except AmqpNotFound as error:
            raise LogLost(str(error)) from error
        except AmqpUnroutable as error:
            raise await self._unroutable(shard) from error
        except AmqpUnavailable as error:
            raise LogUnavailable(str(error)) from error
        self._reached[shard] = self._reached[shard] or 1

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        if self._closed:
            return
        reader: StreamReader | None = None
        watch: asyncio.Task[None] | None = None
        try:
            newest = await self._newest(shard)
            expected = await self._expected(shard, start, newest)
            first = _existing_offset(expected or 0, newest)
            reader = await StreamReader.open(
                self._reading, self._stream(shard), first, prefetch=_PREFETCH
            )
            self._readers.add(reader)
            watch = asyncio.create_task(self._end_when_stuck(reader, shard), name="log-watch")
            while not self._closed:
                message = await reader.next()
                for offset, lines in _batches(message, expected):
                    yield Batch(self._first + offset, lines)
                if message.type == topology.END:
                    raise self._ended(self._first + message.offset)
                expected = max(expected or 0, message.offset + 1)
                self._reached[shard] = max(self._reached[shard], message.offset + 1)
        except AmqpNotFound as error:
            raise LogLost(str(error)) from error
        except (AmqpUnavailable, LogUnavailable) as error:
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
        return self._first + _end_after(newest)

    @override
    async def ping(self) -> None:
        if self._closed:
            raise LogUnavailable("the log is closed")
        try:
            async with answer_within(_ANSWER_SECONDS):
                self._writing.release(await self._writing.channel())
                for shard in range(self.shards):
                    if not await queue_exists(self._reading, self._stream(shard)):
                        raise LogLost(_no_stream(self._stream(shard)))
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
            except LogError:
                continue  # the reader fails with the connection or the stream
            await asyncio.sleep(_ANSWER_SECONDS)
            if newest is not None and newest.offset > before == reader.reached:
                reader.end("the broker stopped sending although there are more batches")
                return

    def _stream(self, shard: int) -> str:
        return stream_name(shard, self._epoch)

    def _ended(self, end: int | None = None) -> LogEnded:
        return LogEnded(f"epoch {self._epoch} of the log has ended", end=end)

    async def _unroutable(self, shard: int) -> LogError:
        """Return why an append found no stream.

        The stream does not exist; or it has no binding, because the next epoch was begun. If it
        was not, that is being done, or RabbitMQ has lost the binding.
        """
        stream = self._stream(shard)
        try:
            async with answer_within(_ANSWER_SECONDS):
                if not await queue_exists(self._reading, stream):
                    return LogLost(_no_stream(stream))
                if await was_begun(self._reading, self._epoch + 1):
                    return self._ended()
        except AmqpUnavailable as error:
            return LogUnavailable(str(error))
        return LogUnavailable(
            f"{stream} has no binding to {topology.LOG}; if that lasts, run {SETUP_COMMAND}"
        )

    async def _newest(self, shard: int) -> Message | None:
        """Return the newest message, None if there is none.

        Raise LogLost if the stream does not exist, or ends before what was read from it for longer
        than a replica can lag.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LAG_SECONDS
        while True:
            # Taken before the request: a reader of the same shard may advance it meanwhile.
            reached = self._reached[shard]
            try:
                async with answer_within(_ANSWER_SECONDS):
                    newest = await newest_message(self._reading, self._stream(shard))
            except AmqpNotFound as error:
                raise LogLost(str(error)) from error
            except AmqpUnavailable as error:
                raise LogUnavailable(str(error)) from error
            end = 0 if newest is None else newest.offset + 1
            if end >= reached:
                self._reached[shard] = max(self._reached[shard], end)
                return newest
            if loop.time() >= deadline:
                raise LogLost(
                    f"{self._stream(shard)} ends at {end}, before {reached}, which was read"
                )
            await asyncio.sleep(_LAG_PAUSE_SECONDS)

    async def _expected(self, shard: int, start: Start, newest: Message | None) -> int | None:
        """Return the offset of the stream at which to start, None for the first one."""
        if start == "first":
            return None
        if not isinstance(start, datetime):
            return max(0, start - self._first)
        if newest is None:
            return 0
        since = await first_offset_since(self._reading, self._stream(shard), start)
        return newest.offset if since is None else min(since, newest.offset)


def _connections(endpoint: AmqpEndpoint, name: str) -> tuple[AmqpConnection, AmqpConnection]:
    """Return the connections of a log for writing and for reading."""
    return (
        AmqpConnection(endpoint, f"{name} log writer"),
        AmqpConnection(endpoint, f"{name} log reader"),
    )


@asynccontextmanager
async def _closed_on_error(chat_log: AmqpLog) -> AsyncIterator[None]:
    """Close `chat_log` if the context fails; convert AmqpUnavailable to LogUnavailable."""
    try:
        yield
    except AmqpUnavailable as error:
        await chat_log.close()
        raise LogUnavailable(str(error)) from error
    except BaseException:
        await chat_log.close()
        raise


def _no_stream(name: str) -> str:
    return f"RabbitMQ has no stream {name}"


def _end_after(newest: Message | None) -> int:
    """Return the end of a stream with this newest message; a marker belongs to no batch."""
    if newest is None:
        return 0
    return newest.offset if newest.type == topology.END else newest.offset + 1


def _existing_offset(offset: int, newest: Message | None) -> StreamOffset:
    """Return an offset that exists, at or before `offset`.

    RabbitMQ 3.10 replaces an offset that does not exist yet by the end at the time of the request,
    which would skip batches that were appended meanwhile.
    """
    return "first" if newest is None else min(offset, newest.offset)


def _batches(message: Message, expected: int | None) -> Iterator[tuple[int, tuple[bytes, ...]]]:
    """Yield offset and lines of the batches in `message`.

    For a reader that has seen everything before `expected`.
    """
    if expected is not None and message.offset < expected:
        return  # part of a chunk that starts earlier
    if expected is not None and message.offset == expected + 1:
        # RabbitMQ uses one offset itself where a segment of the stream starts.
        yield expected, ()
    if message.type != topology.END:
        yield message.offset, tuple(message.body.split(b"\n"))
