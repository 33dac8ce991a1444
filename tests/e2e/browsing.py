"""A real browser, and visitors of the page."""

import secrets
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.product import Product
from tests.e2e.visitor import Visitor

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Visit = Callable[..., Visitor]
Meet = Callable[[Product], tuple[Visitor, Visitor]]


def account(name: str) -> str:
    return f"{name}-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: async tests cannot run beside this.
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is missing; `make chromium` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Yield a function that opens the page for a new visitor, each in their own browser profile.

    Nothing may go wrong in anybody's page that the test does not expect.
    """
    visitors: list[Visitor] = []

    def enter(product: Product, path: str = "/", *, width: int = 1000) -> Visitor:
        context = browser.new_context(
            locale="en-GB",
            viewport={"width": width, "height": 720},
            reduced_motion="reduce",
            ignore_https_errors=True,
        )
        visitor = Visitor.enter(context, product.url, path)
        visitors.append(visitor)
        return visitor

    yield enter
    for visitor in visitors:
        visitor.page.context.close()
    troubles = [trouble for visitor in visitors for trouble in visitor.troubles]
    assert not troubles, troubles


@pytest.fixture
def pair(visit: Visit) -> Callable[[Product], tuple[Visitor, Visitor]]:
    """Give a function that brings two people into one room."""

    def meet(product: Product) -> tuple[Visitor, Visitor]:
        mina, junho = visit(product), visit(product)
        mina.register(account("mina"), "Mina 민아")
        mina.create_room("마당 🌱")
        junho.register(account("junho"), "Junho <b>준호</b>")
        junho.join(mina.invite(), "마당 🌱")
        return mina, junho

    return meet
