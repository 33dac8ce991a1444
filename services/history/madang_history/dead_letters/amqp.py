"""Dead lines in RabbitMQ's quorum queue `madang.dead`.

A message there is the line itself, with headers that say where it stood and why it died. So it can
be looked at with RabbitMQ's own tools, too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldValue
from typing_extensions import override

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.errors import AmqpUnavailable, unavailable
from madang_common.amqp.sender import Sender
from madang_common.log.position import from_id, to_id
from madang_common.log.topology import DEAD
from madang_history.dead_letters.port import DeadLine, DeadLines, DeadLinesUnavailable

_CONTENT_TYPE = "application/octet-stream"
_MOST_REASON = 500
"""Characters of a reason that are kept: a broker bounds a message's headers."""
_ANSWER_SECONDS = 10.0


class AmqpDeadLines(DeadLines):
    """The production place for dead lines. The log makes the queue, so open that one first."""

    def __init__(self, connection: AmqpConnection) -> None:
        self._connection = connection
        self._sender = Sender(connection)

    @classmethod
    def at(cls, url: str) -> Self:
        """Return what connects to `url` when the first line dies."""
        return cls(AmqpConnection(url, "madang dead lines"))

    @override
    async def put(self, dead: DeadLine) -> None:
        headers: dict[str, FieldValue] = {
            "shard": dead.shard,
            "position": to_id(dead.position),
            "reason": dead.reason[:_MOST_REASON],
        }
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                # Through the default exchange, which has every queue under its name.
                await self._sender.send(
                    "", DEAD, dead.line, content_type=_CONTENT_TYPE, headers=headers
                )
        except (AmqpUnavailable, TimeoutError) as error:
            raise DeadLinesUnavailable(str(error) or "no answer in time") from error

    @override
    async def visit(self, settle: Callable[[DeadLine], Awaitable[bool]], *, most: int) -> None:
        try:
            channel = await self._connection.channel()
        except AmqpUnavailable as error:
            raise DeadLinesUnavailable(str(error)) from error
        unsettled: list[int] = []
        try:
            for _ in range(most):
                message = await _next(channel)
                if message is None:
                    return
                unsettled.append(_tag(message))
                if await settle(_read(message)):
                    await _settled(channel, unsettled.pop())
        finally:
            await _leave(channel, unsettled)

    @override
    async def close(self) -> None:
        await self._connection.close()


async def _next(channel: AbstractChannel) -> DeliveredMessage | None:
    """Return the oldest message that this channel was not given yet."""
    try:
        with unavailable():
            message = await channel.basic_get(DEAD, timeout=_ANSWER_SECONDS)
    except (AmqpUnavailable, TimeoutError) as error:
        raise DeadLinesUnavailable(str(error) or "no answer in time") from error
    return None if isinstance(message.delivery, Basic.GetEmpty) else message


async def _settled(channel: AbstractChannel, tag: int) -> None:
    try:
        with unavailable():
            await channel.basic_ack(tag)
    except AmqpUnavailable as error:
        raise DeadLinesUnavailable(str(error)) from error


async def _leave(channel: AbstractChannel, unsettled: list[int]) -> None:
    """Put `unsettled` back where they were; the broker does that itself if it cannot be told."""
    with suppress(AmqpUnavailable, TimeoutError), unavailable():
        async with asyncio.timeout(_ANSWER_SECONDS):
            for tag in unsettled:
                await channel.basic_nack(tag, requeue=True)
            await channel.close()


def _tag(message: DeliveredMessage) -> int:
    delivery: Any = message.delivery
    tag: int = delivery.delivery_tag
    return tag


def _read(message: DeliveredMessage) -> DeadLine:
    headers: Mapping[str, Any] = message.header.properties.headers or {}
    return DeadLine(
        shard=headers["shard"],
        position=from_id(headers["position"]),
        line=message.body,
        reason=headers["reason"],
    )
