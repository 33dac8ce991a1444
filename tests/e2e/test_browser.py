"""The page at `/` in a real browser."""

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Error, WebSocketRoute, expect, sync_playwright

from tests.e2e.people import Person
from tests.e2e.product import Product
from tests.e2e.visitor import BACK_MILLISECONDS, PASSWORD, Visitor

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

Visit = Callable[..., Visitor]


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
    """Give a function that lets somebody enter, each in a browser profile of their own.

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
    assert [visitor.troubles for visitor in visitors] == [[] for _ in visitors]


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


Meet = Callable[[Product], tuple[Visitor, Visitor]]


@pytest.fixture
def hasty(with_settings: Callable[..., Product]) -> Product:
    """Give a product whose access tokens hold for seconds only."""
    return with_settings(MADANG_ACCESS_TOKEN_SECONDS="8")


@pytest.fixture
def lively(with_settings: Callable[..., Product]) -> Product:
    """Give a product whose heart beats fast."""
    return with_settings(MADANG_HEARTBEAT_SECONDS="1")


def test_two_people_talk_and_read_back(product: Product, pair: Meet) -> None:
    mina, junho = pair(product)
    said = ["안녕하세요, 반가워요!", "👩‍👩‍👧‍👦 hello 🎉", _HOSTILE, "두 줄\nand a colon: \\n \\c"]

    for number, text in enumerate(said):
        writer, reader = (mina, junho) if number % 2 == 0 else (junho, mina)
        writer.write(text)
        reader.reads(text)
        writer.reads(text)
    junho.page.reload()
    junho.is_in("마당 🌱")

    assert mina.texts() == said
    assert junho.texts() == said
    assert junho.ids() == mina.ids()
    expect(mina.log).to_contain_text("Junho <b>준호</b> joined.")
    expect(junho.log).to_contain_text("Mina 민아 created the room.")
    assert mina.page.locator("#messages script, #messages img, #messages b").count() == 0
    assert mina.page.title() == junho.page.title() == "Madang"


def test_each_sees_that_the_other_writes(product: Product, pair: Meet) -> None:
    mina, junho = pair(product)

    junho.box("Message").press_sequentially("잠깐")

    expect(mina.page.get_by_text("Junho <b>준호</b> is writing…")).to_be_visible()
    junho.page.keyboard.press("Enter")
    mina.reads("잠깐")
    expect(mina.page.locator("#typing")).to_be_empty()


def test_each_sees_who_else_is_here(product: Product, pair: Meet, visit: Visit) -> None:
    mina, junho = pair(product)
    ara = visit(product)
    ara.register(account("ara"), "Ara")

    expect(mina.present).to_have_text("Junho <b>준호</b> is here")
    expect(junho.present).to_have_text("Mina 민아 is here")
    ara.join(mina.invite(), "마당 🌱")
    expect(mina.present).to_have_text(
        re.compile("^(Junho <b>준호</b> and Ara|Ara and Junho <b>준호</b>) are here$")
    )
    expect(ara.present).to_contain_text("are here")
    junho.page.reload()
    junho.is_in("마당 🌱")
    expect(junho.present).to_contain_text("are here")
    ara.page.close()

    expect(mina.present).to_have_text("Junho <b>준호</b> is here", timeout=BACK_MILLISECONDS)
    junho.page.evaluate("location.hash = ''")
    expect(mina.present).to_be_empty(timeout=BACK_MILLISECONDS)


def test_enter_that_ends_a_korean_syllable_sends_nothing(product: Product, pair: Meet) -> None:
    mina, _ = pair(product)
    box = mina.box("Message")
    typing = mina.page.context.new_cdp_session(mina.page)

    box.focus()
    typing.send("Input.imeSetComposition", {"text": "한", "selectionStart": 1, "selectionEnd": 1})
    box.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    typing.send("Input.insertText", {"text": "한"})

    expect(box).to_have_value("한")
    mina.page.keyboard.press("Enter")
    mina.reads("한")
    assert mina.texts() == ["한"]


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
            expect(visitor.button("Try now")).to_be_visible()
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


def test_a_refused_message_can_be_sent_again_or_given_up(product: Product, pair: Meet) -> None:
    mina, junho = pair(product)
    refused = mina.page.locator(".message[data-state=refused]")
    many = [f"message {number}" for number in range(80)]

    mina.page.evaluate(
        """texts => {
            const form = document.getElementById("write");
            for (const text of texts) {
                form.text.value = text;
                form.requestSubmit();
            }
        }""",
        many,
    )
    expect(mina.page.locator(".message[data-id]")).not_to_have_count(0)
    expect(mina.page.locator("[data-state=sending], [data-state=waiting]")).to_have_count(0)
    assert refused.count() > 0
    expect(refused.first).to_contain_text("Slow down")
    while refused.count():
        count = refused.count()
        refused.first.get_by_role("button", name="Retry").click()
        # Refused or not, the answer is there when nothing is under way any more.
        expect(mina.page.locator("[data-state=sending], [data-state=waiting]")).to_have_count(0)
        assert refused.count() <= count

    mina.box("Message").fill("가" * 6000)
    mina.page.keyboard.press("Enter")
    expect(refused).to_contain_text("Too large")
    refused.get_by_role("button", name="Discard").click()
    expect(refused).to_have_count(0)
    expect(mina.said).to_have_count(80)

    junho.page.reload()
    junho.is_in("마당 🌱")
    while junho.button("Show older messages").is_visible():
        shown = junho.said.count()
        junho.button("Show older messages").click()
        expect(junho.said).not_to_have_count(shown)
    assert sorted(junho.texts()) == sorted(many)
    assert junho.texts() == mina.texts()
    assert junho.ids() == sorted(junho.ids())


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
    """Return the gateway's answer to a SEND while it cannot ask who may write."""
    receipt = re.search("^receipt:(.+)$", send, re.MULTILINE)
    assert receipt is not None
    problem = {"title": "Try again in a moment", "status": 503, "receipt-id": receipt[1]}
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


def test_a_login_that_was_ended_elsewhere_ends_here(product: Product, visit: Visit) -> None:
    mina = visit(product)
    name = account("mina")
    mina.register(name, "Mina")
    mina.create_room("마당")
    elsewhere = visit(product)
    elsewhere.log_in(name)

    status = elsewhere.page.evaluate(
        """async (password) => {
            const token = JSON.parse(localStorage.getItem("madang.login")).access_token;
            const answer = await fetch("/api/auth/v1/password", {
                method: "POST",
                headers: {"Content-Type": "application/json", Authorization: `Bearer ${token}`},
                body: JSON.stringify({current_password: password, new_password: password + "!"}),
            });
            return answer.status;
        }""",
        PASSWORD,
    )

    assert status == 204
    expect(mina.page.get_by_text("This login was ended. Please log in again.")).to_be_visible()
    expect(mina.page.get_by_text("마당", exact=True).locator("visible=true")).to_have_count(1)
    assert mina.page.evaluate("localStorage.length") == 0
    elsewhere.is_connected()


def test_log_out_leaves_nothing_behind(product: Product, pair: Meet) -> None:
    mina, junho = pair(product)
    other = Visitor.enter(mina.page.context, product.url)
    other.is_connected()
    junho.write("비밀")
    mina.reads("비밀")
    token = mina.page.evaluate("JSON.parse(localStorage.getItem('madang.login')).refresh_token")

    with mina.page.expect_response(lambda answer: answer.url.endswith("/logout")) as ended:
        mina.button("Log out").click()

    assert ended.value.status == 204
    for page in (mina.page, other.page):
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert "비밀" not in page.content()
    answer = mina.page.request.post(
        f"{product.url}/api/auth/v1/refresh", data={"refresh_token": token}
    )
    assert answer.status == 401
    assert other.troubles == []


def test_wrong_password_is_told_beside_the_form(product: Product, visit: Visit) -> None:
    mina = visit(product)
    mina.refusals.append(401)

    mina.box("Username").fill("nobody-here")
    mina.box("Password").fill(PASSWORD)
    mina.page.keyboard.press("Enter")

    expect(mina.page.get_by_role("alert")).to_contain_text("Wrong username or password")
    expect(mina.box("Username")).to_have_value("nobody-here")


def test_an_invite_link_opens_with_its_code(product: Product, visit: Visit) -> None:
    mina, junho = visit(product), visit(product)
    mina.register(account("mina"), "Mina")
    mina.create_room("마당")
    link = mina.invite()
    name = account("junho")
    junho.register(name, "Junho")

    junho.page.goto(link)
    expect(junho.box("Join with an invite")).to_have_value(link.rpartition("/")[2])
    junho.page.keyboard.press("Enter")

    junho.is_in("마당")
    expect(mina.log).to_contain_text("Junho joined.")


def test_a_removed_member_is_told_and_receives_nothing_more(
    product: Product, visit: Visit, minji: Person
) -> None:
    junho = visit(product)
    junho.register(account("junho"), "Junho")
    body = {"name": "마당", "visibility": "private"}
    room = minji.call("POST", "/api/rooms/v1/rooms", status=201, json=body)["id"]
    rooms = f"/api/rooms/v1/rooms/{room}"
    user = junho.page.evaluate("JSON.parse(localStorage.getItem('madang.login')).user.id")
    minji.call("POST", f"{rooms}/invites", status=201, json={"user": user})

    expect(junho.page.get_by_text("Minji invites you to “마당”")).to_be_visible()
    junho.page.get_by_role("list", name="Invites for you").get_by_role("button").click()
    junho.is_in("마당")
    minji.call("DELETE", f"{rooms}/members/{user}", status=204)

    expect(junho.page.get_by_text("You are in no room yet")).to_be_visible()
    expect(junho.page.get_by_role("heading", name="마당", exact=True)).not_to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_narrow_screen(product: Product, visit: Visit, scheme: str) -> None:
    mina = visit(product, width=360)
    mina.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    wide = "document.scrollingElement.scrollWidth"
    dark = "getComputedStyle(document.body).backgroundColor"

    assert mina.page.evaluate(wide) == 360
    mina.register(account("mina"), "아주긴이름" * 12)
    assert mina.page.evaluate(wide) == 360
    mina.create_room("끝이 없는 이름 " * 12)
    mina.write("a" * 300 + " " + "가" * 300)
    mina.reads("a" * 300 + " " + "가" * 300)
    assert mina.page.evaluate(wide) == 360
    mina.page.get_by_role("link", name="Back to the rooms").click()
    expect(mina.button("Log out")).to_be_visible()
    assert (sum(map(int, re.findall(r"\d+", mina.page.evaluate(dark)))) < 200) == (scheme == "dark")


def test_frames_are_read_wherever_they_are_cut(product: Product, visit: Visit) -> None:
    visitor = visit(product)

    outcome = visitor.page.evaluate(
        r"""async () => {
            const { FrameReader, serialize } = await import("/stomp.js");
            const sent = [
                ["CONNECTED", {version: "1.2", "heart-beat": "0,0"}, ""],
                ["MESSAGE", {subscription: "1", "a:b": "c\\d\ne\rf:"}, "안녕 👋\0\n\n끝"],
                ["RECEIPT", {"receipt-id": "7"}, ""],
                ["MESSAGE", {subscription: "2"}, "{}"],
            ];
            const text = sent.map((frame) => serialize(...frame)).join("\n\r\n");
            const bytes = new TextEncoder().encode(text);
            const read = (pieces) => {
                const reader = new FrameReader();
                return JSON.stringify(pieces.flatMap((piece) => reader.read(piece)).map(
                    ({command, headers: {"content-length": _, ...headers}, body}) =>
                        [command, headers, body]));
            };
            const wanted = JSON.stringify(sent);
            const wrong = [];
            for (let cut = 0; cut <= bytes.length; cut += 1) {
                if (read([bytes.slice(0, cut), bytes.slice(cut)]) !== wanted) {
                    wrong.push(cut);
                }
            }
            const single = read([...bytes].map((byte) => new Uint8Array([byte])));
            return {wrong, single: single === wanted, text: read([text]) === wanted};
        }"""
    )

    assert outcome == {"wrong": [], "single": True, "text": True}


@pytest.mark.parametrize(
    "wire",
    [
        "MESSAGE\nno colon\n\n\0",
        "MESSAGE\na:undefined \\t escape\n\n\0",
        "MESSAGE\ncontent-length:x\n\n\0",
        "MESSAGE\ncontent-length:1\n\nab\0",
    ],
)
def test_what_is_no_frame_is_refused(product: Product, visit: Visit, wire: str) -> None:
    visitor = visit(product)

    outcome = visitor.page.evaluate(
        """async (wire) => {
            const { FrameReader, ProtocolError } = await import("/stomp.js");
            try {
                new FrameReader().read(wire);
            } catch (error) {
                return error instanceof ProtocolError;
            }
            return "read";
        }""",
        wire,
    )

    assert outcome is True


def test_the_policy_lets_only_the_pages_own_scripts_run(product: Product, visit: Visit) -> None:
    visitor = visit(product)

    with pytest.raises(Error, match="TrustedScript"):
        visitor.page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "document.title = 'owned'";
                document.body.append(script);
            }"""
        )
    with pytest.raises(Error, match="TrustedHTML"):
        visitor.page.evaluate("""() => { document.body.innerHTML = "<b>owned</b>"; }""")

    assert visitor.page.title() == "Madang"
    assert ["TrustedScript" in visitor.troubles[0], "TrustedHTML" in visitor.troubles[1]] == [
        True
    ] * 2
    visitor.troubles.clear()


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

    with junho.page.expect_response(re.compile(r"/messages\?limit=\d+$")):
        sockets[0].close(code=1012, reason="restarting")
    mina.write("second")
    junho.reads("second")

    mina.reads("second")
    assert len(sockets) == 2
    assert junho.texts() == mina.texts() == ["first", "second"]
    assert junho.ids() == mina.ids()


def _forgetful(message: str | bytes, connections: int) -> str | bytes:
    """Let the second connection tell that it cannot resume where the first one was."""
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
