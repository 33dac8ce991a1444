"""The page at `/` while connections, servers and tokens come to an end."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.e2e.browsing import Meet, Visit, account
from tests.e2e.product import Product
from tests.e2e.visitor import BACK_MILLISECONDS, Visitor


@pytest.fixture
def hasty(with_settings: Callable[..., Product]) -> Product:
    """Give a product whose access tokens hold for seconds only."""
    return with_settings(MADANG_ACCESS_TOKEN_SECONDS="8")


@pytest.fixture
def lively(with_settings: Callable[..., Product]) -> Product:
    """Give a product whose heart beats fast."""
    return with_settings(MADANG_HEARTBEAT_SECONDS="1")


def test_pages_come_back_after_the_product_was_killed(mortal: Product, pair: Meet) -> None:
    mina, junho = pair(mortal)
    mina.write("before")
    junho.reads("before")
    acknowledged = set(mina.texts())

    with mina.server_down(), junho.server_down():
        for number in range(5):
            mina.write(f"under way {number}")
        acknowledged |= set(mina.texts())
        mortal.kill()
        for visitor in (mina, junho):
            expect(visitor.status).to_have_text("Offline.")
            expect(visitor.button("Reconnect now")).to_be_visible()
        mina.write("민아: while it was away")
        junho.write("준호: while it was away")
        expect(mina.said.last).to_contain_text("Waiting for the connection")
        mortal.launch()
    for visitor in (mina, junho):
        visitor.reads("민아: while it was away")
        visitor.reads("준호: while it was away")
    mina.write("after")
    junho.reads("after")
    mina.reads("after")

    everything = [
        "before",
        *[f"under way {number}" for number in range(5)],
        "민아: while it was away",
        "준호: while it was away",
        "after",
    ]
    assert acknowledged <= set(mina.texts())
    assert sorted(mina.texts()) == sorted(everything)
    assert junho.texts() == mina.texts()
    assert junho.ids() == mina.ids() == sorted(mina.ids())
    for visitor in (mina, junho):
        before = visitor.ids()
        visitor.page.reload()
        visitor.is_in("마당 🌱")
        visitor.is_connected()
        visitor.reads("after")
        assert visitor.ids() == before


def test_what_waits_outlasts_a_reload(mortal: Product, pair: Meet) -> None:
    mina, junho = pair(mortal)
    context = mina.page.context

    with mina.server_down(), junho.server_down():
        mortal.kill()
        mina.write("아직 안 보냈어요")
        expect(mina.said.last).to_contain_text("Waiting for the connection")
        # The page itself has to come from somewhere while its server is away.
        mortal.launch()
        mina.page.reload()

    junho.reads("아직 안 보냈어요")
    mina.reads("아직 안 보냈어요")
    assert len(context.pages) == 1


def test_what_the_server_cannot_take_now_is_sent_again(product: Product, pair: Meet) -> None:
    mina, junho = pair(product)
    refused: list[str] = []

    def interfere(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            text = message if isinstance(message, str) else message.decode()
            if ".send\n" in text and not refused:
                refused.append(text)
                socket.send(_unavailable(text))
            else:
                server.send(message)

        socket.on_message(pass_on)

    mina.page.route_web_socket("**/ws", interfere)
    mina.page.reload()
    mina.is_in("마당 🌱")
    mina.is_connected()
    mina.write("하나")
    mina.write("둘")

    junho.reads("둘")
    mina.reads("둘")
    mina.reads("하나")
    assert sorted(mina.texts()) == ["둘", "하나"]
    assert len(refused) == 1


def _unavailable(send: str) -> str:
    """Return the gateway's answer to a SEND while it cannot check memberships."""
    receipt = re.search("^receipt:(.+)$", send, re.MULTILINE)
    assert receipt is not None
    problem = {"title": "Temporarily unavailable", "status": 503, "receipt-id": receipt[1]}
    headers = "subscription:errors\nmessage-id:1\ncontent-type:application/problem+json"
    return f"MESSAGE\n{headers}\n\n{json.dumps(problem)}\0"


def test_tokens_are_renewed_without_a_new_connection(hasty: Product, visit: Visit) -> None:
    mina = visit(hasty)
    mina.register(account("mina"), "Mina")
    mina.create_room("마당")
    other = Visitor.enter(mina.page.context, hasty.url)
    other.is_connected()
    tokens = set()

    for _ in range(3):
        with mina.page.context.expect_event(
            "response", lambda response: response.url.endswith("/refresh")
        ) as renewed:
            pass
        tokens.add(renewed.value.json()["access_token"])
    mina.write("still here")

    mina.reads("still here")
    other.page.get_by_role("link", name="마당").click()
    other.reads("still here")
    assert len(tokens) == 3
    assert (mina.sockets, other.sockets) == (1, 1)
    assert other.troubles == []


def test_a_server_that_falls_silent_is_noticed(lively: Product, pair: Meet) -> None:
    mina, junho = pair(lively)

    with mina.server_down(), junho.server_down():
        lively.pause()
        expect(mina.status).to_have_text("Offline.", timeout=BACK_MILLISECONDS)
        mina.write("are you there?")
        lively.resume()

    junho.reads("are you there?")
    mina.reads("are you there?")
    assert junho.texts() == mina.texts() == ["are you there?"]


def test_what_cannot_be_resumed_is_read_back_from_history(product: Product, pair: Meet) -> None:
    mina, junho = pair(product)
    sockets: list[WebSocketRoute] = []

    def interfere(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(_forgetful(message, len(sockets))))
        sockets.append(socket)

    junho.page.route_web_socket("**/ws", interfere)
    junho.page.reload()
    junho.is_in("마당 🌱")
    mina.write("first")
    junho.reads("first")

    with junho.page.expect_response(re.compile(r"/events\?limit=\d+$")):
        sockets[0].close(code=1012, reason="restarting")
    mina.write("second")
    junho.reads("second")

    mina.reads("second")
    assert len(sockets) == 2
    assert junho.texts() == mina.texts() == ["first", "second"]
    assert junho.ids() == mina.ids()


def _forgetful(message: str | bytes, connections: int) -> str | bytes:
    """Answer the second connection with `resumed:false`."""
    text = message if isinstance(message, str) else message.decode()
    return text.replace("resumed:true", "resumed:false") if connections > 1 else text


def test_the_page_says_when_the_device_is_offline(product: Product, pair: Meet) -> None:
    mina, junho = pair(product)
    mina.page.context.set_offline(offline=True)

    expect(mina.status).to_contain_text("Offline")
    mina.page.context.set_offline(offline=False)
    expect(mina.status).to_have_text("Connected", timeout=BACK_MILLISECONDS)
    junho.write("다시 만났네요")
    mina.reads("다시 만났네요")
