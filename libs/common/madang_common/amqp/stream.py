"""Reads one RabbitMQ stream from an offset on, and finds its last offset."""

import asyncio
from collections import deque
from datetime import datetime
from typing import Literal, NamedTuple, Self, cast

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.errors import AmqpUnavailable, unavailable

_ACK_EVERY = 16
"""Fewer than any prefetch, so that delivery never waits for an acknowledgement."""
_PEEK_PREFETCH = 1000

StreamOffset = int | datetime | Literal["first", "last", "next"]
"""`x-stream-offset`: an offset, the first chunk stored at or after a time, or one of the ends."""


class Message(NamedTuple):
    """A message and its offset."""

    offset: int
    body: bytes
    type: str | None = None
    """The property `type` that its sender gave it."""


class StreamReader:
    """A consumer of one stream, with the messages that the broker has sent ahead."""

    def __init__(self, connection: AmqpConnection, channel: AbstractChannel, stream: str) -> None:
        self._connection = connection
        self._channel = channel
        self._stream = stream
        self._queue: deque[DeliveredMessage] = deque()
        self._arrival = asyncio.Event()
        self._ended: str | None = None
        self._taken_tag = 0
        self._acked_tag = 0
        self._reached = -1

    @property
    def reached(self) -> int | None:
        """Offset of the last message taken, or before the start; None while others are queued."""
        return None if self._queue else self._reached

    @classmethod
    async def open(
        cls, connection: AmqpConnection, stream: str, start: StreamOffset, *, prefetch: int
    ) -> Self:
        """Consume `stream` from `start` on with a prefetch of `prefetch` messages."""
        channel = await connection.channel()
        reader = cls(connection, channel, stream)
        if isinstance(start, int):
            reader._reached = start - 1
        channel.on_consumer_cancel_callbacks.add(reader._cancelled)
        channel.closing.add_done_callback(reader._closed)
        try:
            with unavailable():
                await channel.basic_qos(prefetch_count=prefetch)
                await channel.basic_consume(
                    stream, reader._arrived, arguments={"x-stream-offset": start}
                )
        except BaseException:
            reader.close()
            raise
        return reader

    async def next(self) -> Message:
        """Wait for the next message and return it; raise AmqpUnavailable when the reader has ended.

        Acknowledges the messages before it, several at a time.
        """
        while not self._queue:
            if self._ended is not None:
                raise AmqpUnavailable(self._ended)
            self._arrival.clear()
            await self._arrival.wait()
        if self._taken_tag - self._acked_tag >= _ACK_EVERY:
            await self._acknowledge()
        return self._take()

    async def newest(self) -> Message | None:
        """Return the last message at the time of the call, None if there is none.

        For a reader that starts at "last" or at a time; call it once. It may miss a message that
        was stored in the last seconds if no other was before it.
        """
        newest: Message | None = None
        while True:
            counted = await self._fence()
            arrived = len(self._queue)
            while self._queue:
                newest = self._take()
            if newest is None and not counted:
                return None
            if newest is not None and arrived < _PEEK_PREFETCH:
                return newest
            if newest is None:
                self._queue.appendleft(await self._first())
            else:
                await self._acknowledge()

    async def first(self) -> int | None:
        """Return the offset of the first message, None if there is none; call it once."""
        await self._fence()
        return self._take().offset if self._queue else None

    def end(self, reason: str) -> None:
        """Make `next` raise AmqpUnavailable with `reason`."""
        self._ended = self._ended or reason
        self._arrival.set()

    def close(self) -> None:
        """Stop reading."""
        self._queue.clear()
        self.end("closed")
        self._connection.release(self._channel)

    async def _first(self) -> DeliveredMessage:
        while not self._queue:
            if self._ended is not None:
                raise AmqpUnavailable(self._ended)
            self._arrival.clear()
            await self._arrival.wait()
        return self._queue.popleft()

    async def _fence(self) -> int:
        """Wait until all messages stored before this call have arrived; return the stream's count.

        A channel processes requests in order. The reply to a second consumer comes after the first
        one was notified of the messages, and the reply to the next request after they were sent.
        The count may be some seconds old.
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
        message = self._queue.popleft()
        delivery = cast("Basic.Deliver", message.delivery)
        self._taken_tag = delivery.delivery_tag or 0
        properties = message.header.properties
        self._reached = cast("int", (properties.headers or {})["x-stream-offset"])
        return Message(self._reached, message.body, properties.message_type)

    async def _arrived(self, message: DeliveredMessage) -> None:
        if self._ended is None:
            self._queue.append(message)
            self._arrival.set()

    def _cancelled(self, _: Basic.Cancel) -> None:
        self.end("the broker ended the consumer")

    def _closed(self, closing: asyncio.Future[object]) -> None:
        reason = None if closing.cancelled() else closing.exception()
        self.end(f"the channel was closed: {reason}")


async def _ignore(_: DeliveredMessage) -> None:
    """Drop a message of the second consumer in `_fence`."""


async def newest_message(connection: AmqpConnection, stream: str) -> Message | None:
    """Return the last message in `stream`, or None if it is empty; see `StreamReader.newest`."""
    reader = await StreamReader.open(connection, stream, "last", prefetch=_PEEK_PREFETCH)
    try:
        return await reader.newest()
    finally:
        reader.close()


async def first_offset_since(connection: AmqpConnection, stream: str, time: datetime) -> int | None:
    """Return an offset at or before the first message stored at or after `time`; None if none is.

    RabbitMQ compares whole seconds and returns whole chunks, so the message at that offset may be
    older.
    """
    reader = await StreamReader.open(connection, stream, time, prefetch=1)
    try:
        return await reader.first()
    finally:
        reader.close()
