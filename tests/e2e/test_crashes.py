"""People talk through the SDK while the product is killed under them."""

import asyncio

from tests.e2e.product import Product
from tests.support.load_clients import load_clients

_CRASHES = 3
_MESSAGES_BETWEEN = 30


async def test_what_was_acknowledged_is_heard_by_all_once_and_in_one_order(
    mortal: Product,
) -> None:
    async with load_clients(mortal.url, people=3) as clients:
        clients.send_at_rate(per_second=25)
        for _ in range(_CRASHES):
            await clients.acknowledge(_MESSAGES_BETWEEN)
            await asyncio.to_thread(mortal.restart)
        await clients.acknowledge(_MESSAGES_BETWEEN)
        await clients.stop_sending()
        await clients.settle()
        await clients.check()
