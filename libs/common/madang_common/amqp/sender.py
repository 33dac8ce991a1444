"""Messages that are either confirmed by RabbitMQ or not known to be there."""

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
    """Publishes persistent messages that must reach a queue, each confirmed on its own."""

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
    ) -> None:
        """Return when the message is in its queues for good; raise AmqpUnavailable otherwise.

        Messages go out in the order of the calls. One that was cancelled or failed may be there.
        """
        channel = await self._ready()
        now = datetime.fromtimestamp(time.time(), UTC)
        properties = Basic.Properties(
            content_type=content_type,
            delivery_mode=_PERSISTENT,
            timestamp=now,
            headers=dict(headers) if headers else None,
        )
        with unavailable():
            confirm = await channel.basic_publish(
                body, exchange=exchange, routing_key=key, properties=properties, mandatory=True
            )
        if not isinstance(confirm, Basic.Ack):
            raise AmqpUnavailable("not confirmed")

    async def _ready(self) -> AbstractChannel:
        """Return the channel, or a new one if there is none any more."""
        if self._channel is None or self._channel.is_closed:
            async with self._opening:
                if self._channel is None or self._channel.is_closed:
                    self._channel = await self._connection.channel(confirms=True)
        return self._channel
