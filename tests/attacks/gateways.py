"""The processes that serve connections, and their memory."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from typing_extensions import override

from tests.e2e.embedded import Embedded
from tests.e2e.product import Product
from tests.e2e.stacked import Stacked

_SECONDS = 0.1


@dataclass
class Memory:
    """Resident bytes of all gateways together."""

    before: int
    most: int

    @property
    def growth(self) -> int:
        """Bytes that they took more, at most."""
        return self.most - self.before

    @override
    def __str__(self) -> str:
        return f"memory +{self.growth / 1e6:.0f} MB"


def processes(product: Product) -> list[psutil.Process]:
    """Return the processes of `product` that serve WebSockets."""
    if isinstance(product, Embedded):
        assert product.process is not None
        return [psutil.Process(product.process.pid)]
    assert isinstance(product, Stacked)
    found = [gateway.process for gateway in product.stack.gateways]
    return [psutil.Process(process.pid) for process in found if process is not None]


def resident_bytes(gateways: list[psutil.Process]) -> int:
    """Return the bytes of memory that they hold together."""
    return sum(gateway.memory_info().rss for gateway in gateways)


@contextmanager
def watched_memory(product: Product) -> Iterator[Memory]:
    """Watch the memory of its gateways while the context lasts."""
    gateways = processes(product)
    before = resident_bytes(gateways)
    memory = Memory(before, before)

    async def watch() -> None:
        while True:
            memory.most = max(memory.most, resident_bytes(gateways))
            await asyncio.sleep(_SECONDS)

    watching = asyncio.get_running_loop().create_task(watch())
    try:
        yield memory
    finally:
        watching.cancel()
        memory.most = max(memory.most, resident_bytes(gateways))
