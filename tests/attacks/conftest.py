"""A product to be attacked, in each of its forms, by one test at a time."""

from collections.abc import Iterator

import httpx
import pytest
from filelock import FileLock

from stack.run import ServerRun
from tests.attacks.setup import Setup
from tests.e2e.conftest import form
from tests.e2e.embedded import Embedded
from tests.e2e.product import Product
from tests.e2e.stacked import Stacked
from tests.support.test_settings import TEST_SETTINGS
from tests.support.trust import trusting

__all__ = ["form"]  # fixtures

_SETTINGS = {
    # As by default: attacks meet the limits that people run with.
    "MADANG_SENDS_PER_SECOND": "20",
    # Rooms are filled by a few people.
    "MADANG_SENDS_BURST": "1200",
}
_TURN_SECONDS = 300
_TEST_SECONDS = 400
"""Longest time of a test: it may wait for its turn, and for a stack."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a stack test as one that shares the stack with tests that break it."""
    item.add_marker(pytest.mark.timeout(_TEST_SECONDS))
    callspec = getattr(item, "callspec", None)
    if callspec is not None and callspec.params.get("form") == "stack":
        item.add_marker(pytest.mark.usefixtures("mortal_stack_with"))


@pytest.fixture(scope="session")
def _embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    product = Embedded.start(tmp_path_factory.mktemp("attacked"), **(TEST_SETTINGS | _SETTINGS))
    yield product
    product.stop()


@pytest.fixture(scope="session")
def _setups() -> Iterator[dict[str, Setup]]:
    setups: dict[str, Setup] = {}
    yield setups
    for setup in setups.values():
        setup.client.close()


@pytest.fixture
def product(form: str, request: pytest.FixtureRequest, server_run: ServerRun) -> Iterator[Product]:
    """Give a running product that no other test uses meanwhile."""
    with FileLock(server_run.folder / "attacks.lock", timeout=_TURN_SECONDS):
        if form == "embedded":
            yield request.getfixturevalue("_embedded")
            return
        if form != "stack":
            pytest.skip("attacks on this form would need the gateways' processes")
        stack = request.getfixturevalue("mortal_stack_with")(**_SETTINGS)
        with trusting(stack.ca):
            yield Stacked(stack)


@pytest.fixture
def setup(product: Product, _setups: dict[str, Setup]) -> Iterator[Setup]:
    """Give the people and rooms of attacks; the product logs no error meanwhile."""
    before = len(product.errors())
    if product.url not in _setups:
        # An idle connection is left before the server leaves it.
        limits = httpx.Limits(keepalive_expiry=2)
        client = httpx.Client(base_url=product.url, timeout=20, limits=limits)
        _setups[product.url] = Setup(product, client)
    yield _setups[product.url]
    assert product.errors()[before:] == []
