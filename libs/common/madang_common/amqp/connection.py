"""One connection to whichever node of RabbitMQ answers, made anew when it was lost.

The library's own "robust" connection is not used: it replays consumers from where they once began
and waits without a bound. Here a lost connection is told to everyone who used it, and the next one
who asks gets a new one, from the next node.
"""

import asyncio
import itertools
import random
import re
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection as AioPikaConnection
from aiormq.abc import AbstractChannel, AbstractConnection
from yarl import URL

from madang_common.amqp.errors import AmqpRefused, AmqpUnavailable, answer_within, unavailable
from madang_common.jitter import jitter
from madang_common.settings import CannotStart

log = structlog.get_logger()

_HEARTBEAT_SECONDS = 4
"""The library gives a silent broker up after three of these and a little: some 15 seconds."""
_CONNECT_SECONDS = 3.0
_CLOSE_SECONDS = 3.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


def node_urls(url: str) -> list[URL]:
    """Return the address of each node in `url`: hosts, or whole addresses, with commas between.

    Raise CannotStart if it names none.
    """
    try:
        return _node_urls(url)
    except ValueError:
        # Without its text, which may hold a part of the password.
        raise CannotStart(
            "MADANG_AMQP_URL cannot be understood: it is like amqp://user:password@host:5672/vhost"
        ) from None


def _node_urls(url: str) -> list[URL]:
    found: list[URL] = []
    for whole in re.split(r",(?=amqps?://)", url):
        parts = urlsplit(whole)
        user, at, hosts = parts.netloc.rpartition("@")
        for host in hosts.split(","):
            node = URL(urlunsplit(parts._replace(netloc=f"{user}{at}{host}")))
            if node.scheme not in {"amqp", "amqps"} or not node.host:
                raise ValueError("not the address of a RabbitMQ node")
            found.append(node.update_query(heartbeat=_HEARTBEAT_SECONDS))
    return found


class AmqpConnection:
    """A connection that is there when it is asked for, as long as any node answers."""

    def __init__(self, url: str, name: str) -> None:
        """Connect to the nodes in `url`, one after the other, showing `name` to operators."""
        self._nodes = node_urls(url)
        self._name = name
        # Not every process begins with the same node.
        self._next = random.randrange(len(self._nodes))  # noqa: S311 - spreads load
        self._connection: AioPikaConnection | None = None
        self._opening: asyncio.Task[AbstractConnection] | None = None
        self._failures = 0
        self._closed = False
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now; one that was lost is made anew when it is needed."""
        return self._connection is not None and _inner(self._connection) is not None

    async def connection(self) -> AbstractConnection:
        """Return the connection, after opening it if there is none.

        Everyone who asks meanwhile waits for the same attempt: each node once, after a pause that
        grows with the failures. Raise AmqpUnavailable if none of them answers.
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
        """Return when there is a connection; raise AmqpUnavailable if there is none so long.

        A refusal of the user is final and raised at once.
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
        # The library counts on where others are in use, past what the broker allows.
        number = next(n for n in itertools.count(1) if n not in connection.channels)
        with unavailable():
            return await connection.channel(number, publisher_confirms=confirms)

    def leave(self, channel: AbstractChannel) -> None:
        """Close `channel` without waiting for the broker to agree."""
        if not channel.is_closed:
            self._leave(channel)

    async def close(self) -> None:
        """Close the connection, which ends everything on it."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(connection)
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _opened(self, opening: asyncio.Task[AbstractConnection]) -> None:
        self._opening = None
        if not opening.cancelled():
            # Read here, since whoever waited for it may have gone.
            opening.exception()

    def _leave(self, closable: AioPikaConnection | AbstractChannel) -> None:
        task = asyncio.create_task(_close(closable), name=f"amqp-{self._name}-leave")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _lost(self, connection: AioPikaConnection) -> None:
        log.warning("amqp_connection_lost", name=self._name)
        self._leave(connection)
        self._connection = None
        self._failures = max(self._failures, 1)
        self._next += 1

    async def _open(self) -> AbstractConnection:
        if self._failures:
            pause = min(_FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(jitter(pause, least=0.5))
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
        connection = aio_pika.Connection(node, client_properties={"connection_name": self._name})
        try:
            async with answer_within(_CONNECT_SECONDS):
                await connection.connect()
        except BaseException:
            # It closes itself when it is collected, at a time when no loop may be running.
            await connection.close()
            raise
        self._connection = connection
        inner = _inner(connection)
        if inner is None:
            raise AmqpUnavailable("closed at once")
        return inner


def _inner(connection: AioPikaConnection) -> AbstractConnection | None:
    """Return the open connection of the library below, whose calls cost less, or None."""
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
