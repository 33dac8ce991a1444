"""The page at `/` in a real browser."""

import re

import pytest
from playwright.sync_api import APIResponse, Error, Locator, Route, expect

from tests.e2e.browsing import Meet, Visit, account
from tests.e2e.people import Person
from tests.e2e.product import Product
from tests.e2e.visitor import BACK_MILLISECONDS, PASSWORD, Visitor

_HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


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

    expect(mina.page.get_by_text("Junho <b>준호</b> is typing…")).to_be_visible()
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


def test_a_refused_message_can_be_sent_again_or_given_up(product: Product, pair: Meet) -> None:
    mina, junho = pair(product)
    refused = mina.page.locator(".message[data-state=refused]")
    # Four times the burst; every second allows 20 more.
    many = [f"message {number}" for number in range(240)]

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
    expect(refused.first).to_contain_text(re.compile("too (fast|many)", re.IGNORECASE))
    for _ in range(20):
        if count := refused.count():
            refused.first.get_by_role("button", name="Retry").click()
            # Refused or not, the answer is there when nothing is under way any more.
            expect(mina.page.locator("[data-state=sending], [data-state=waiting]")).to_have_count(0)
            assert refused.count() <= count
    while count := refused.count():
        refused.first.get_by_role("button", name="Discard").click()
        expect(refused).to_have_count(count - 1)
    said = mina.texts()
    assert set(said) <= set(many)
    assert len(said) == len(set(said))

    mina.box("Message").fill("가" * 6000)
    mina.page.keyboard.press("Enter")
    expect(refused).to_contain_text("16384 bytes")
    refused.get_by_role("button", name="Discard").click()
    expect(refused).to_have_count(0)
    expect(mina.said).to_have_count(len(said))

    junho.page.reload()
    junho.is_in("마당 🌱")
    older = junho.page.locator("#older")
    while older.is_visible():
        older.click()
        # It is disabled until the page is there, which may hold no message.
        expect(older).to_be_enabled()
    assert sorted(junho.texts()) == sorted(said)
    assert junho.texts() == mina.texts()
    assert junho.ids() == sorted(junho.ids())


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
    expect(mina.page.get_by_text("Your session was ended. Log in again.")).to_be_visible()
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


@pytest.mark.parametrize("answer", ["Decline", "Block"])
def test_an_unwanted_invite_is_let_go(
    product: Product, visit: Visit, minji: Person, answer: str
) -> None:
    junho = visit(product)
    junho.register(account("junho"), "Junho")
    user = junho.page.evaluate("JSON.parse(localStorage.getItem('madang.login')).user.id")
    body = {"name": "Spam", "visibility": "private"}
    room = minji.call("POST", "/api/rooms/v1/rooms", status=201, json=body)["id"]
    minji.call("POST", f"/api/rooms/v1/rooms/{room}/invites", status=201, json={"user": user})
    invites = junho.page.get_by_role("list", name="Invites for you")

    invites.get_by_role("button", name=answer).click()

    expect(invites.get_by_role("listitem")).to_have_count(0)
    junho.page.reload()
    expect(junho.page.get_by_text("You are not in any rooms yet")).to_be_visible()
    expect(invites.get_by_role("listitem")).to_have_count(0)


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
    # Whoever is removed while the page still asks for these is told 403, and so is the console.
    with (
        junho.page.expect_response("**/api/history/**"),
        junho.page.expect_response("**/presence?*"),
    ):
        invites = junho.page.get_by_role("list", name="Invites for you")
        invites.get_by_role("button", name="Join").click()
    junho.is_in("마당")
    minji.call("DELETE", f"{rooms}/members/{user}", status=204)

    expect(junho.page.get_by_text("You are not in any rooms yet")).to_be_visible()
    expect(junho.page.get_by_role("heading", name="마당", exact=True)).not_to_be_visible()


def _guest(minji: Person, visitor: Visitor, *names: str) -> list[str]:
    """Let `visitor` join rooms of Minji's with these names, the last of which is open then."""
    visitor.register(account("junho"), "Junho")
    rooms = []
    for name in names:
        body = {"name": name, "visibility": "private"}
        rooms.append(minji.call("POST", "/api/rooms/v1/rooms", status=201, json=body)["id"])
        invites = f"/api/rooms/v1/rooms/{rooms[-1]}/invites"
        visitor.join(minji.call("POST", invites, status=201, json={})["code"], name)
    return rooms


def _is_called(visitor: Visitor, room: str, name: str) -> None:
    """Wait until the list calls `room` so, and the heading too if it is open."""
    expect(visitor.page.locator(f"#room-{room}")).to_have_text(name)
    if visitor.page.url.endswith(room):
        visitor.is_in(name)


def test_a_room_that_was_renamed_has_its_new_name_everywhere(
    product: Product, visit: Visit, minji: Person
) -> None:
    junho = visit(product)
    other, room = _guest(minji, junho, "Other", "A")
    link = junho.page.locator(f"#room-{room}").get_by_role("link")

    minji.call("PATCH", f"/api/rooms/v1/rooms/{room}", status=200, json={"name": "B"})
    _is_called(junho, room, "B")
    junho.page.locator(f"#room-{other}").get_by_role("link").click()
    junho.is_in("Other")
    _is_called(junho, room, "B")
    link.click()
    _is_called(junho, room, "B")

    junho.page.locator(f"#room-{other}").get_by_role("link").click()
    junho.is_in("Other")
    minji.call("PATCH", f"/api/rooms/v1/rooms/{room}", status=200, json={"name": "C"})
    link.click()
    _is_called(junho, room, "C")
    junho.page.reload()
    _is_called(junho, room, "C")


def test_an_older_list_of_rooms_does_not_undo_a_new_name(
    product: Product, visit: Visit, minji: Person
) -> None:
    junho = visit(product)
    (room,) = _guest(minji, junho, "A")
    held: list[tuple[Route, APIResponse]] = []

    junho.page.route(
        re.compile(r"/api/rooms/v1/rooms\?"), lambda route: held.append((route, route.fetch()))
    )
    junho.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    while not held:
        junho.page.wait_for_timeout(10)
    minji.call("PATCH", f"/api/rooms/v1/rooms/{room}", status=200, json={"name": "B"})
    _is_called(junho, room, "B")
    (route, answer), *_ = held
    with junho.page.expect_response(re.compile(r"/api/rooms/v1/rooms\?")):
        route.fulfill(response=answer)
    expect(junho.page.locator("#rooms-error")).to_be_empty()

    assert '"A"' in answer.text()
    _is_called(junho, room, "B")
    assert junho.page.locator("#rooms").inner_text() == "B"
    junho.page.unroute_all(behavior="ignoreErrors")


def test_nothing_is_written_in_a_room_that_was_archived(
    product: Product, visit: Visit, minji: Person
) -> None:
    junho = visit(product)
    first, second = _guest(minji, junho, "First", "Second")
    links = {
        room: junho.page.locator(f"#room-{room}").get_by_role("link") for room in (first, second)
    }
    expect(junho.box("Message")).to_be_enabled()

    minji.call("POST", f"/api/rooms/v1/rooms/{second}/archive", status=200)
    expect(junho.box("Message")).to_be_disabled()
    expect(junho.button("Send")).to_be_disabled()
    links[first].click()
    junho.is_in("First")
    expect(junho.box("Message")).to_be_enabled()
    links[second].click()
    junho.is_in("Second")
    expect(junho.box("Message")).to_be_disabled()
    minji.call("POST", f"/api/rooms/v1/rooms/{first}/archive", status=200)
    links[first].click()
    junho.is_in("First")
    expect(junho.box("Message")).to_be_disabled()
    expect(junho.box("Message")).to_have_attribute("placeholder", "This room is archived")
    junho.page.reload()
    junho.is_in("First")
    expect(junho.box("Message")).to_be_disabled()


_NOTHING_IS_STORED = """
    Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
"""


def test_a_browser_that_stores_nothing_loses_no_text(product: Product, pair: Meet) -> None:
    mina, junho = pair(product)
    mina.page.evaluate(f"() => {{{_NOTHING_IS_STORED}}}")

    mina.write("keep this")

    expect(mina.box("Message")).to_have_value("keep this")
    expect(mina.page.locator("#room-error")).to_contain_text("cannot store")
    expect(mina.said).to_have_count(0)
    mina.page.keyboard.press("Enter")
    junho.reads("keep this")
    mina.reads("keep this")
    expect(mina.box("Message")).to_have_value("")
    expect(mina.page.locator("#room-error")).to_be_empty()
    mina.write("and this")
    junho.reads("and this")


@pytest.mark.parametrize(
    "script",
    [
        _NOTHING_IS_STORED,
        """for (const name of ["localStorage", "sessionStorage"]) {
            Object.defineProperty(window, name, {
                get() { throw new DOMException("off", "SecurityError"); },
            });
        }""",
    ],
    ids=["full", "off"],
)
def test_one_can_log_in_and_out_where_nothing_is_stored(
    product: Product, visit: Visit, script: str
) -> None:
    mina = visit(product)
    mina.page.add_init_script(script)
    mina.page.reload()

    mina.register(account("mina"), "Mina")

    expect(mina.page.locator("#storage-error")).to_contain_text("log in again")
    mina.create_room("마당")
    mina.button("Log out").click()
    expect(mina.page.get_by_role("heading", name="Log in")).to_be_visible()


@pytest.mark.parametrize("code", ["%", "%E0%A4%A", "abc%zz"])
def test_a_damaged_invite_link_is_told(product: Product, visit: Visit, code: str) -> None:
    mina = visit(product)
    mina.register(account("mina"), "Mina")

    mina.page.evaluate("code => { location.hash = `#join/${code}`; }", code)

    expect(
        mina.page.get_by_text("This invite link is not valid. Ask for a new one.")
    ).to_be_visible()
    expect(mina.box("Join with an invite")).to_have_value("")
    mina.create_room("마당")


def test_a_name_that_reads_like_a_notice_is_shown_as_one_name(
    product: Product, visit: Visit, minji: Person
) -> None:
    name = "Minji left. Madang Admin"
    mina, junho = visit(product), visit(product)
    mina.register(account("mina"), "Mina")
    mina.create_room("Yard closed. Ask Mina")
    junho.register(account("junho"), name)
    junho.join(mina.invite(), "Yard closed. Ask Mina")

    def names(where: str) -> Locator:
        return mina.page.locator(where).locator("bdi.name")

    expect(mina.log.get_by_text(f"{name} joined.")).to_be_visible()
    expect(names("#messages .event-notice").last).to_have_text(name)
    expect(names("#present")).to_have_text([name])
    expect(mina.present).to_have_text(f"{name} is here")
    expect(mina.present).to_have_attribute("title", f"\u2068“{name}”\u2069 is here")
    junho.box("Message").press_sequentially("h")
    expect(mina.page.locator("#typing")).to_have_text(f"{name} is typing…")
    expect(names("#typing")).to_have_text([name])


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


@pytest.mark.parametrize("file", ["README.md", "package.json", "types.d.ts", "public/app.js"])
def test_only_files_of_the_page_are_served(product: Product, visit: Visit, file: str) -> None:
    visitor = visit(product)

    assert visitor.page.request.get(f"{product.url}/app.js").status == 200
    assert visitor.page.request.get(f"{product.url}/{file}").status == 404


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
