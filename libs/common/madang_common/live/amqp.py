"""Live events over RabbitMQ's fanout exchange."""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, Self

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from typing_extensions import override

from madang_common import tasks
from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.amqp.errors import AmqpUnavailable, answer_within, unavailable
from madang_common.live.listeners import Listeners
from madang_common.live.port import Live
from madang_common.log import topology
from madang_common.log.declare import declare_exchange

log = structlog.get_logger()

_MAX_QUEUED_BYTES = 1_048_576
_MESSAGE_BYTES = 262_144
_ANSWER_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_PAUSE_SECONDS = 0.5
_QUEUE: dict[str, Any] = {
    "x-max-length-bytes": 16_777_216,
    "x-overflow": "drop-head",
    "x-message-ttl": 10_000,
}
"""Limits of a process's queue in the broker: the newest events of a few seconds."""


class AmqpLive(Live):
    """Broadcasts events to every process that listens; made with `await AmqpLive.open(endpoint)`.

    Events of one turn of the event loop are sent together, without confirms. When too many are
    queued the oldest are dropped; when no node of RabbitMQ answers, all of them are.
    """

    def __init__(self, connection: AmqpConnection) -> None:
        self._connection = connection
        self._listeners = Listeners()
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._queued = asyncio.Event()
        self._closed = False
        self._sender = asyncio.create_task(self._send(), name="live-send")
        self._receiver: asyncio.Task[None] | None = None
        self._subscribed = asyncio.Event()

    @classmethod
    async def open(
        cls, endpoint: AmqpEndpoint, *, name: str = "madang", patience_seconds: float = 60.0
    ) -> Self:
        """Connect; raise AmqpUnavailable if no node accepts this user in `patience_seconds`."""
        connection = AmqpConnection(endpoint, f"{name} live")
        try:
            await connection.wait_for(patience_seconds)
            await declare_exchange(
                connection, topology.LIVE_EXCHANGE, patience_seconds=patience_seconds
            )
        except BaseException:
            await connection.close()
            raise
        return cls(connection)

    @override
    def publish(self, line: bytes) -> None:
        if self._closed:
            return
        self._queue.append(line)
        self._queued_bytes += len(line)
        while self._queued_bytes > _MAX_QUEUED_BYTES:
            self._queued_bytes -= len(self._queue.popleft())
        self._queued.set()

    @override
    def listen(self) -> AsyncGenerator[tuple[bytes, ...]]:
        if self._receiver is None and not self._closed:
            self._receiver = asyncio.create_task(self._receive(), name="live-receive")
        return self._listeners.listen()

    @override
    async def ping(self) -> None:
        if self._closed:
            raise ConnectionError("live events are closed")
        async with answer_within(_ANSWER_SECONDS):
            self._connection.release(await self._connection.channel())
        if self._receiver is not None and not self._subscribed.is_set():
            raise ConnectionError("live events are not received")

    @override
    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queued.set()
        # Send what is still queued, if RabbitMQ answers in time.
        await asyncio.wait([self._sender], timeout=_CLOSE_SECONDS)
        await tasks.stop(self._sender)
        if self._receiver is not None:
            await tasks.stop(self._receiver)
        self._listeners.close()
        await self._connection.close()

    async def _send(self) -> None:
        """Publish queued events, several per message, until closed."""
        channel: AbstractChannel | None = None
        while self._queue or not self._closed:
            await self._queued.wait()
            self._queued.clear()
            try:
                while self._queue:
                    if channel is None or channel.is_closed:
                        channel = await self._channel()
                    with unavailable():
                        await channel.basic_publish(
                            self._take(), exchange=topology.LIVE, properties=Basic.Properties()
                        )
            except AmqpUnavailable as error:
                log.warning("live_dropped", notices=len(self._queue), error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
                self._queue.clear()
                self._queued_bytes = 0

    async def _channel(self) -> AbstractChannel:
        """Return a new channel; redeclare the exchange if the broker lost it."""
        await declare_exchange(
            self._connection, topology.LIVE_EXCHANGE, patience_seconds=_PAUSE_SECONDS
        )
        return await self._connection.channel()

    def _take(self) -> bytes:
        lines: list[bytes] = []
        size = 0
        while self._queue and size < _MESSAGE_BYTES:
            line = self._queue.popleft()
            lines.append(line)
            size += len(line)
        self._queued_bytes -= size
        return b"\n".join(lines)

    async def _receive(self) -> None:
        """Consume from a queue of this process, and from a new one whenever it is lost."""
        while True:
            try:
                channel = await self._channel()
                try:
                    await self._consume(channel)
                finally:
                    self._subscribed.clear()
                    self._connection.release(channel)
            except AmqpUnavailable as error:
                log.warning("live_receive_failed", error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _consume(self, channel: AbstractChannel) -> None:
        """Consume until the channel or the queue is closed; then raise AmqpUnavailable."""
        gone = asyncio.Event()
        channel.on_consumer_cancel_callbacks.add(lambda _: gone.set())
        channel.closing.add_done_callback(lambda _: gone.set())
        queue = f"{topology.LIVE}.{uuid.uuid4().hex}"
        with unavailable():
            await channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments=_QUEUE)
            await channel.queue_bind(queue, topology.LIVE)
            await channel.basic_consume(queue, self._arrived, no_ack=True)
        self._subscribed.set()
        await gone.wait()
        raise AmqpUnavailable("the queue of this process is gone")

    async def _arrived(self, message: DeliveredMessage) -> None:
        for line in message.body.split(b"\n"):
            self._listeners.broadcast(line)
