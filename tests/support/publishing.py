"""Appending one event to the log and waiting for it."""

import asyncio

from madang_common.log.port import LogError
from madang_common.log.publisher import Publisher


async def publish(publisher: Publisher, audience: str, line: bytes) -> None:
    """Append `line` and return when it is durable; raise LogError if it may not be."""
    confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(error: LogError | None) -> None:
        if confirmed.done():
            return
        if error is None:
            confirmed.set_result(None)
        else:
            confirmed.set_exception(error)

    publisher.append(audience, line, done)
    await confirmed
