from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.people import Person, register
from tests.e2e.product import Product


def _running(folder: Path) -> Iterator[Product]:
    product = Product.start(folder, MADANG_REGISTRATIONS_PER_ADDRESS="10000")
    try:
        yield product
    finally:
        if product.process is not None:
            product.stop()
    assert product.errors() == []


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Give the running product that tests share; none of them ends it."""
    yield from _running(tmp_path_factory.mktemp("product"))


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Product]:
    """Give a product of the test's own, to be killed and started again."""
    yield from _running(tmp_path)


@pytest.fixture
def client(product: Product) -> Iterator[httpx.Client]:
    """Give a client of the shared product's REST interface."""
    with httpx.Client(base_url=product.url, timeout=10) as client:
        yield client


@pytest.fixture
def newcomer(client: httpx.Client) -> Callable[[str], Person]:
    """Give a function that registers somebody with a name of that kind."""
    return lambda name: register(client, name)


@pytest.fixture
def minji(client: httpx.Client) -> Person:
    return register(client, "minji")


@pytest.fixture
def junho(client: httpx.Client) -> Person:
    return register(client, "junho")
