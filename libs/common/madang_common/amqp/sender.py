"""Publishes messages with publisher confirms."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from pamqp.common import FieldValue

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.errors import AmqpUnavailable, unavailable

_PERSISTENT = 2


class Sender:
    """Publishes persistent, mandatory messages; waits for the confirm of each."""

    def __init__(self, connection: AmqpConnection) -> None:
        self._connection = connection
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()

    async def send(
        self,
        exchange: str,
        key: str,
        body: bytes,
        *,
        content_type: str,
        headers: Mapping[str, FieldValue] | None = None,
        message_type: str | None = None,
    ) -> None:
        """Return when the message is confirmed; raise AmqpUnavailable if it is not.

        Raise AmqpUnroutable or AmqpNotFound, its subclasses, if there is no queue for it.

        Messages are sent in the order of the calls. A message whose call failed or was cancelled
        may have been stored.
        """
        channel = await self._open_channel()
        now = datetime.fromtimestamp(time.time(), UTC)
        properties = Basic.Properties(
            content_type=content_type,
            delivery_mode=_PERSISTENT,
            timestamp=now,
            headers=dict(headers) if headers else None,
            message_type=message_type,
        )
        with unavailable():
            confirm = await channel.basic_publish(
                body, exchange=exchange, routing_key=key, properties=properties, mandatory=True
            )
        if not isinstance(confirm, Basic.Ack):
            raise AmqpUnavailable("not confirmed")

    async def _open_channel(self) -> AbstractChannel:
        """Return the open channel, or open one."""
        if self._channel is None or self._channel.is_closed:
            async with self._opening:
                if self._channel is None or self._channel.is_closed:
                    self._channel = await self._connection.channel(confirms=True)
        return self._channel
