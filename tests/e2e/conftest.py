import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from stack.stack import Stack
from tests.compose.composed import Composed
from tests.compose.place import composed
from tests.e2e.browsing import browser, pair, visit
from tests.e2e.embedded import Embedded
from tests.e2e.people import Person, register
from tests.e2e.product import Product
from tests.e2e.stacked import Stacked
from tests.k8s.product import Kubernetes, kubernetes
from tests.support.test_settings import TEST_SETTINGS
from tests.support.trust import trusting

__all__ = ["browser", "pair", "visit"]  # fixtures

Make = Callable[..., Product]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the stack that a test on this form will request."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or callspec.params.get("form") != "stack":
        return
    asked = getattr(item, "fixturenames", ())
    stacks = {"mortal": "mortal_stack", "with_settings": "mortal_stack_with"}
    names = [stacks[fixture] for fixture in stacks if fixture in asked] or ["stack"]
    item.add_marker(pytest.mark.usefixtures(*names))


@pytest.fixture(scope="session", params=os.environ.get("MADANG_E2E", "embedded,stack").split(","))
def form(request: pytest.FixtureRequest) -> str:
    """Give the form in which the product runs.

    `MADANG_E2E` lists the forms; `compose` and `kubernetes` are others.
    """
    return str(request.param)


@pytest.fixture(scope="session")
def product(
    form: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """Give the running product that tests share; none of them ends it."""
    if form == "stack":
        yield from _stacked(request.getfixturevalue("stack"))
    elif form == "compose":
        yield from _composed()
    elif form == "kubernetes":
        yield from _in_cluster()
    else:
        yield from _embedded(tmp_path_factory.mktemp("product"))


@pytest.fixture
def mortal(form: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Product]:
    """Give a product to be killed and started again; no other test uses it meanwhile."""
    if form == "stack":
        yield from _stacked(request.getfixturevalue("mortal_stack"))
    elif form == "compose":
        yield from _composed()
    elif form == "kubernetes":
        yield from _in_cluster()
    else:
        yield from _embedded(tmp_path)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Embedded]:
    """Give an embedded product of the test's own, whatever the form."""
    yield from _embedded(tmp_path)


@pytest.fixture
def with_settings(form: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Give a function that starts a product with `MADANG_…` settings of the test's own."""
    if form == "stack":
        heal: Callable[..., Stack] = request.getfixturevalue("mortal_stack_with")
        with ExitStack() as trust:

            def restart(**settings: str) -> Product:
                stack = heal(**settings)
                trust.enter_context(trusting(stack.ca))
                return Stacked(stack)

            yield restart
        return
    if form in {"compose", "kubernetes"}:
        running = composed() if form == "compose" else kubernetes()

        def renew(**settings: str) -> Product:
            running.launch(**settings)
            return running

        with trusting(running.ca):
            yield renew
        running.launch()
        return
    made: list[Embedded] = []

    def start(**settings: str) -> Product:
        made.append(Embedded.start(tmp_path, **(TEST_SETTINGS | settings)))
        return made[-1]

    yield start
    for product in made:
        product.stop()


def _embedded(folder: Path) -> Iterator[Embedded]:
    product = Embedded.start(folder, **TEST_SETTINGS)
    try:
        yield product
    finally:
        if product.process is not None:
            product.stop()
    assert product.errors() == []


def _stacked(stack: Stack) -> Iterator[Stacked]:
    product = Stacked(stack)
    before = len(product.errors())
    with trusting(stack.ca):
        yield product
    assert product.errors()[before:] == []


def _composed() -> Iterator[Composed]:
    """Yield the product that `python -m tests.compose` started."""
    product = composed()
    before = len(product.errors())
    with trusting(product.ca):
        yield product
    assert product.errors()[before:] == []


def _in_cluster() -> Iterator[Kubernetes]:
    """Yield the product that `python -m tests.k8s` installed."""
    product = kubernetes()
    before = len(product.errors())
    with trusting(product.ca):
        yield product
    assert product.errors()[before:] == []


@pytest.fixture
def client(product: Product) -> Iterator[httpx.Client]:
    """Give a client of the shared product's REST interface."""
    with httpx.Client(base_url=product.url, timeout=10) as client:
        yield client


@pytest.fixture
def newcomer(client: httpx.Client) -> Callable[[str], Person]:
    """Yield a function that registers a user with a name of this kind."""
    return lambda name: register(client, name)


@pytest.fixture
def minji(client: httpx.Client) -> Person:
    return register(client, "minji")


@pytest.fixture
def junho(client: httpx.Client) -> Person:
    return register(client, "junho")
