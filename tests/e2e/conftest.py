import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.embedded import Embedded
from tests.e2e.people import Person, register
from tests.e2e.product import Product

_MANY = {"MADANG_REGISTRATIONS_PER_ADDRESS": "10000"}
"""All tests come from one address."""
Make = Callable[..., Product]


@pytest.fixture(scope="session", params=os.environ.get("MADANG_E2E", "embedded").split(","))
def form(request: pytest.FixtureRequest) -> str:
    """Give the form in which the product runs; `MADANG_E2E` lists them."""
    return str(request.param)


@pytest.fixture(scope="session")
def product(form: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Give the running product that tests share; none of them ends it."""
    yield from _embedded(tmp_path_factory.mktemp("product"))


@pytest.fixture
def mortal(form: str, tmp_path: Path) -> Iterator[Product]:
    """Give a product to be killed and started again; no other test uses it meanwhile."""
    yield from _embedded(tmp_path)


@pytest.fixture
def with_settings(form: str, tmp_path: Path) -> Iterator[Make]:
    """Give a function that starts a product with `MADANG_…` settings of the test's own."""
    made: list[Embedded] = []

    def make(**settings: str) -> Product:
        made.append(Embedded.start(tmp_path, **settings))
        return made[-1]

    yield make
    for product in made:
        product.stop()


def _embedded(folder: Path) -> Iterator[Embedded]:
    product = Embedded.start(folder, **_MANY)
    try:
        yield product
    finally:
        if product.process is not None:
            product.stop()
    assert product.errors() == []


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
