"""A connection to one of RabbitMQ's nodes, reopened on demand after it was lost.

aio-pika's "robust" connection is not used: it restarts consumers where they first began, and waits
without a limit. Here every user of a lost connection gets an error, and the next call opens a new
connection, to the next node.
"""

import asyncio
import itertools
import random

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection as AioPikaConnection
from aiormq.abc import AbstractChannel, AbstractConnection
from yarl import URL

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.amqp.errors import AmqpRefused, AmqpUnavailable, answer_within, unavailable
from madang_common.jitter import jitter

log = structlog.get_logger()

_HEARTBEAT_SECONDS = 4
"""aiormq closes a connection after about three missed heartbeats: some 15 seconds."""
_CONNECT_SECONDS = 3.0
_CLOSE_SECONDS = 3.0
_MIN_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 2.0


class AmqpConnection:
    """Opens a connection on demand, to the first node that answers."""

    def __init__(self, endpoint: AmqpEndpoint, name: str) -> None:
        """Connect to `endpoint`; operators see `name` in RabbitMQ's list of connections."""
        self._nodes = [node.update_query(heartbeat=_HEARTBEAT_SECONDS) for node in endpoint.nodes]
        self._tls = None if endpoint.tls is None else endpoint.tls.context()
        self._name = name
        # A random first node spreads the connections of all processes.
        self._next = random.randrange(len(self._nodes))  # noqa: S311 - spreads load
        self._connection: AioPikaConnection | None = None
        self._opening: asyncio.Task[AbstractConnection] | None = None
        self._failures = 0
        self._closed = False
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether a connection is open now."""
        return self._connection is not None and _inner(self._connection) is not None

    async def connection(self) -> AbstractConnection:
        """Return the open connection, or open one.

        Concurrent callers share one attempt, which tries each node once, after a backoff if the
        last attempt failed. Raise AmqpUnavailable if no node answers.
        """
        if self._closed:
            raise AmqpUnavailable("the connection is closed")
        if self._connection is not None:
            open_one = _inner(self._connection)
            if open_one is not None:
                return open_one
            self._lost(self._connection)
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name=f"amqp-{self._name}")
            self._opening.add_done_callback(self._opened)
        with unavailable():
            return await asyncio.shield(self._opening)

    async def wait_for(self, seconds: float) -> None:
        """Retry for `seconds` until a connection is open; then raise AmqpUnavailable.

        AmqpRefused is not retried.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            try:
                await self.connection()
            except AmqpRefused:
                raise
            except AmqpUnavailable:
                if loop.time() >= deadline:
                    raise
            else:
                return

    async def channel(self, *, confirms: bool = False) -> AbstractChannel:
        """Return a new channel; raise AmqpUnavailable."""
        connection = await self.connection()
        # aiormq counts up without reusing numbers, beyond the limit of the broker.
        number = next(n for n in itertools.count(1) if n not in connection.channels)
        with unavailable():
            return await connection.channel(number, publisher_confirms=confirms)

    def release(self, channel: AbstractChannel) -> None:
        """Close `channel` in the background."""
        if not channel.is_closed:
            self._close_later(channel)

    async def close(self) -> None:
        """Close the connection and all of its channels."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(connection)
        if self._closing:
            await asyncio.wait(self._closing)

    def _opened(self, opening: asyncio.Task[AbstractConnection]) -> None:
        self._opening = None
        if not opening.cancelled():
            # Marks the exception as retrieved; all callers may have been cancelled.
            opening.exception()

    def _close_later(self, closable: AioPikaConnection | AbstractChannel) -> None:
        task = asyncio.create_task(_close(closable), name=f"amqp-{self._name}-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _lost(self, connection: AioPikaConnection) -> None:
        log.warning("amqp_connection_lost", name=self._name)
        self._close_later(connection)
        self._connection = None
        self._failures = max(self._failures, 1)
        self._next += 1

    async def _open(self) -> AbstractConnection:
        if self._failures:
            backoff = min(_MIN_BACKOFF_SECONDS * 2 ** (self._failures - 1), _MAX_BACKOFF_SECONDS)
            await asyncio.sleep(jitter(backoff, least=0.5))
        reasons: list[str] = []
        refusals = 0
        for _ in self._nodes:
            node = self._nodes[self._next % len(self._nodes)]
            try:
                connection = await self._open_at(node)
            except (AmqpUnavailable, TimeoutError) as error:
                reason = (
                    f"{node.host}:{node.port or node.scheme}: {str(error) or 'no answer in time'}"
                )
                log.warning("amqp_connect_failed", name=self._name, reason=reason)
                reasons.append(reason)
                refusals += isinstance(error, AmqpRefused)
                self._next += 1
            else:
                log.info("amqp_connected", name=self._name, node=f"{node.host}:{node.port}")
                self._failures = 0
                return connection
        self._failures = min(self._failures + 1, 10)
        kind = AmqpRefused if refusals == len(self._nodes) else AmqpUnavailable
        raise kind("; ".join(reasons))

    async def _open_at(self, node: URL) -> AbstractConnection:
        connection = aio_pika.Connection(
            node, ssl_context=self._tls, client_properties={"connection_name": self._name}
        )
        try:
            async with answer_within(_CONNECT_SECONDS):
                await connection.connect()
        except BaseException:
            # Its finalizer would close it, perhaps without a running event loop.
            await connection.close()
            raise
        self._connection = connection
        inner = _inner(connection)
        if inner is None:
            raise AmqpUnavailable("closed at once")
        return inner


def _inner(connection: AioPikaConnection) -> AbstractConnection | None:
    """Return the open aiormq connection below aio-pika's, whose calls cost less, or None."""
    if connection.transport is None:
        return None
    inner = connection.transport.connection
    return inner if inner.is_opened else None


async def _close(closable: AioPikaConnection | AbstractChannel) -> None:
    try:
        async with answer_within(_CLOSE_SECONDS):
            await closable.close()
    except AmqpUnavailable as error:
        log.info("amqp_close_failed", error=str(error))
