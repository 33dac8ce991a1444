"""Dead letters in RabbitMQ's quorum queue `madang.dead`.

The body of a message is the line; headers have its shard, position and reason, so that RabbitMQ's
own tools can show them.
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
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.amqp.errors import AmqpUnavailable, unavailable
from madang_common.amqp.sender import Sender
from madang_common.log.position import from_id, to_id
from madang_common.log.topology import DEAD
from madang_history.dead_letters.port import DeadLetter, DeadLetters, DeadLettersUnavailable

_CONTENT_TYPE = "application/octet-stream"
_MAX_REASON_LENGTH = 500
"""Characters of a reason that are stored: brokers limit the size of headers."""
_ANSWER_SECONDS = 10.0


class AmqpDeadLetters(DeadLetters):
    """The production adapter. The log declares the queue, so open the log first."""

    def __init__(self, connection: AmqpConnection) -> None:
        self._connection = connection
        self._sender = Sender(connection)

    @classmethod
    def at(cls, endpoint: AmqpEndpoint) -> Self:
        """Return an adapter for RabbitMQ at `endpoint`, which connects on the first call."""
        return cls(AmqpConnection(endpoint, "madang dead letters"))

    @override
    async def add(self, letter: DeadLetter) -> None:
        headers: dict[str, FieldValue] = {
            "shard": letter.shard,
            "position": to_id(letter.position),
            "reason": letter.reason[:_MAX_REASON_LENGTH],
        }
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                # The default exchange routes by queue name.
                await self._sender.send(
                    "", DEAD, letter.line, content_type=_CONTENT_TYPE, headers=headers
                )
        except (AmqpUnavailable, TimeoutError) as error:
            raise DeadLettersUnavailable(str(error) or "no answer in time") from error

    @override
    async def visit(self, settle: Callable[[DeadLetter], Awaitable[bool]], *, most: int) -> None:
        try:
            channel = await self._connection.channel()
        except AmqpUnavailable as error:
            raise DeadLettersUnavailable(str(error)) from error
        unsettled: list[int] = []
        try:
            for _ in range(most):
                message = await _next(channel)
                if message is None:
                    return
                unsettled.append(_tag(message))
                if await settle(_read(message)):
                    await _acknowledge(channel, unsettled.pop())
        finally:
            await _requeue(channel, unsettled)

    @override
    async def close(self) -> None:
        await self._connection.close()


async def _next(channel: AbstractChannel) -> DeliveredMessage | None:
    """Return the oldest message that was not delivered to this channel yet."""
    try:
        with unavailable():
            message = await channel.basic_get(DEAD, timeout=_ANSWER_SECONDS)
    except (AmqpUnavailable, TimeoutError) as error:
        raise DeadLettersUnavailable(str(error) or "no answer in time") from error
    return None if isinstance(message.delivery, Basic.GetEmpty) else message


async def _acknowledge(channel: AbstractChannel, tag: int) -> None:
    try:
        with unavailable():
            await channel.basic_ack(tag)
    except AmqpUnavailable as error:
        raise DeadLettersUnavailable(str(error)) from error


async def _requeue(channel: AbstractChannel, unsettled: list[int]) -> None:
    """Requeue `unsettled`; without a connection the broker does that itself."""
    with suppress(AmqpUnavailable, TimeoutError), unavailable():
        async with asyncio.timeout(_ANSWER_SECONDS):
            for tag in unsettled:
                await channel.basic_nack(tag, requeue=True)
            await channel.close()


def _tag(message: DeliveredMessage) -> int:
    delivery: Any = message.delivery
    tag: int = delivery.delivery_tag
    return tag


def _read(message: DeliveredMessage) -> DeadLetter:
    headers: Mapping[str, Any] = message.header.properties.headers or {}
    return DeadLetter(
        shard=headers["shard"],
        position=from_id(headers["position"]),
        line=message.body,
        reason=headers["reason"],
    )
