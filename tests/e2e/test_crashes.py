"""People talk through the SDK while the product is killed under them."""

import asyncio

from tests.e2e.product import Product
from tests.support.load_clients import gathered

_CRASHES = 3
_MESSAGES_BETWEEN = 30


async def test_what_was_acknowledged_is_heard_by_all_once_and_in_one_order(
    mortal: Product,
) -> None:
    async with gathered(mortal.url, people=3) as crowd:
        crowd.talk(per_second=25)
        for _ in range(_CRASHES):
            await crowd.acknowledge(_MESSAGES_BETWEEN)
            await asyncio.to_thread(mortal.restart)
        await crowd.acknowledge(_MESSAGES_BETWEEN)
        await crowd.hush()
        await crowd.settle()
        await crowd.compare()
