"""One stream of RabbitMQ, read from a place on: the messages, and where they end."""

import asyncio
from collections import deque
from datetime import datetime
from typing import Literal, NamedTuple, Self, cast

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.errors import AmqpUnavailable, unavailable

_ACK_EVERY = 16
"""Fewer than a reader has sent ahead, so that it never waits for them."""
_PEEK = 1000

Place = int | datetime | Literal["first", "last", "next"]
"""`x-stream-offset`: exactly there, the chunk stored at or after a time, or one of the ends."""


class Message(NamedTuple):
    """A message and where it stands in its stream."""

    offset: int
    body: bytes


class StreamReader:
    """Messages of one stream in order, those that the broker sent ahead waiting here."""

    def __init__(self, connection: AmqpConnection, channel: AbstractChannel, stream: str) -> None:
        self._connection = connection
        self._channel = channel
        self._stream = stream
        self._waiting: deque[DeliveredMessage] = deque()
        self._came = asyncio.Event()
        self._ended: str | None = None
        self._taken_tag = 0
        self._acked_tag = 0
        self._reached = -1

    @property
    def reached(self) -> int | None:
        """The last offset that was taken, or the one before the place; None while more waits."""
        return None if self._waiting else self._reached

    @classmethod
    async def open(
        cls, connection: AmqpConnection, stream: str, place: Place, *, prefetch: int
    ) -> Self:
        """Read `stream` from `place` on, with about `prefetch` messages sent ahead."""
        channel = await connection.channel()
        reader = cls(connection, channel, stream)
        if isinstance(place, int):
            reader._reached = place - 1
        channel.on_consumer_cancel_callbacks.add(reader._cancelled)
        channel.closing.add_done_callback(reader._closed)
        try:
            with unavailable():
                await channel.basic_qos(prefetch_count=prefetch)
                await channel.basic_consume(
                    stream, reader._arrived, arguments={"x-stream-offset": place}
                )
        except BaseException:
            reader.close()
            raise
        return reader

    async def next(self) -> Message:
        """Return the next message, waiting for it; raise AmqpUnavailable when none can come.

        Whoever asks has done with the messages before: those are acknowledged, many at a time.
        """
        while not self._waiting:
            if self._ended is not None:
                raise AmqpUnavailable(self._ended)
            self._came.clear()
            await self._came.wait()
        if self._taken_tag - self._acked_tag >= _ACK_EVERY:
            await self._acknowledge()
        return self._take()

    async def newest(self, *, surely_some: bool) -> int | None:
        """Return the offset of the last message that was there when asked, or None if none was.

        For a reader from "last" or a time on, asked once. With `surely_some` it waits for one.
        """
        newest: int | None = None
        while True:
            counted = await self._fence()
            arrived = len(self._waiting)
            while self._waiting:
                newest = self._take().offset
            if newest is None and not counted and not surely_some:
                return None
            if newest is not None and arrived < _PEEK:
                return newest
            if newest is None:
                self._waiting.appendleft(await self._first())
            else:
                await self._acknowledge()

    async def first(self) -> int | None:
        """Return the offset of the first message if one is there, else None; asked once."""
        await self._fence()
        return self._take().offset if self._waiting else None

    def end(self, reason: str) -> None:
        """Let `next` raise AmqpUnavailable with `reason`."""
        self._ended = self._ended or reason
        self._came.set()

    def close(self) -> None:
        """Stop reading."""
        self._waiting.clear()
        self.end("closed")
        self._connection.leave(self._channel)

    async def _first(self) -> DeliveredMessage:
        while not self._waiting:
            if self._ended is not None:
                raise AmqpUnavailable(self._ended)
            self._came.clear()
            await self._came.wait()
        return self._waiting.popleft()

    async def _fence(self) -> int:
        """Return after what the stream held before this call has arrived here, with its count.

        A channel does one thing after the other. A second consumer asks the stream something, which
        is answered after the first one was told that there is something to read; and what is asked
        then is answered after that has been sent. The count is that of some seconds ago.
        """
        with unavailable():
            await self._channel.basic_consume(
                self._stream, _ignore, arguments={"x-stream-offset": "next"}
            )
            declared = await self._channel.queue_declare(self._stream, passive=True)
        return declared.message_count or 0

    async def _acknowledge(self) -> None:
        if self._taken_tag > self._acked_tag:
            self._acked_tag = self._taken_tag
            with unavailable():
                await self._channel.basic_ack(self._taken_tag, multiple=True, wait=False)

    def _take(self) -> Message:
        message = self._waiting.popleft()
        delivery = cast("Basic.Deliver", message.delivery)
        self._taken_tag = delivery.delivery_tag or 0
        headers = message.header.properties.headers or {}
        self._reached = cast("int", headers["x-stream-offset"])
        return Message(self._reached, message.body)

    async def _arrived(self, message: DeliveredMessage) -> None:
        if self._ended is None:
            self._waiting.append(message)
            self._came.set()

    def _cancelled(self, _: Basic.Cancel) -> None:
        self.end("the broker ended the consumer")

    def _closed(self, closing: asyncio.Future[object]) -> None:
        reason = None if closing.cancelled() else closing.exception()
        self.end(f"the channel was closed: {reason}")


async def _ignore(_: DeliveredMessage) -> None:
    """Drop a message that came after what was asked for."""


async def newest_offset(
    connection: AmqpConnection, stream: str, *, surely_some: bool
) -> int | None:
    """Return the offset of the last message in `stream`, or None if it is empty."""
    reader = await StreamReader.open(connection, stream, "last", prefetch=_PEEK)
    try:
        return await reader.newest(surely_some=surely_some)
    finally:
        reader.close()


async def first_offset_since(connection: AmqpConnection, stream: str, time: datetime) -> int | None:
    """Return an offset from which all follows that came at or after `time`; None if nothing did.

    RabbitMQ looks in whole seconds and for whole chunks, so some older messages may follow as well.
    """
    reader = await StreamReader.open(connection, stream, time, prefetch=1)
    try:
        return await reader.first()
    finally:
        reader.close()
