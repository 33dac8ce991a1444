import asyncio
import stat
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.client.tests.fakes.proxy import Proxy
from libs.client.tests.fakes.rest_server import RestServer
from libs.client.tests.fakes.stomp_server import StompServer
from libs.client.tests.fakes.terminal import Terminal


@pytest.fixture
async def proxy(stomp: StompServer, rest: RestServer) -> AsyncIterator[Proxy]:
    proxy = Proxy(stomp, rest)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def ada(proxy: Proxy, rest: RestServer, tmp_path: Path) -> Terminal:
    terminal = Terminal(proxy.url, tmp_path / "ada")
    terminal.has_login(rest.add_user("ada"))
    return terminal


@pytest.fixture
async def bob(proxy: Proxy, rest: RestServer, tmp_path: Path) -> Terminal:
    terminal = Terminal(proxy.url, tmp_path / "bob")
    terminal.has_login(rest.add_user("bob"))
    return terminal


async def test_a_registered_user_can_log_in(proxy: Proxy, tmp_path: Path) -> None:
    eve = Terminal(proxy.url, tmp_path / "eve")

    registered = await eve.run("register", "eve", "--display-name", "이브")
    logged_in = await eve.run("login", "eve")

    assert registered.out == "registered eve\n"
    assert logged_in.out == f"logged in as eve at {proxy.url}\n"
    assert (await eve.run("rooms")).code == 0


async def test_a_login_file_is_readable_by_its_owner_only(ada: Terminal) -> None:
    files = list(ada.folder.rglob("*.json"))

    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700


async def test_two_people_meet_by_invite_and_read_each_other(ada: Terminal, bob: Terminal) -> None:
    room = await ada.id_from("create", "yard")
    code = await ada.id_from("invite", "yard")
    joined = await bob.id_from("join", code)
    first = await ada.id_from("send", "yard", "hello bob")
    second = await bob.id_from("send", room, "hello ada")

    history = await bob.run("history", "yard")
    members = await ada.run("members", "yard")

    assert joined == room
    assert first < second
    # The double names every sender ada.
    assert history.out.splitlines() == [
        "[2026-01-02 03:04] Ada: hello bob",
        "[2026-01-02 03:04] Ada: hello ada",
    ]
    assert members.out.splitlines() == ["ada\tAda\towner", "bob\tBob\tmember"]


async def test_a_public_room_is_joined_by_its_name(ada: Terminal, bob: Terminal) -> None:
    room = await ada.id_from("create", "the yard", "--public")

    joined = await bob.id_from("join", "the yard")

    assert joined == room
    assert (await bob.run("rooms")).out == f"{room}\tthe yard\tpublic\tmember\n"


async def test_history_goes_back_over_pages_up_to_the_limit(
    ada: Terminal, rest: RestServer, stomp: StompServer
) -> None:
    room = rest.add_room("yard", "ada")
    for number in range(230):
        stomp.store(room, f"m{number}")

    done = await ada.run("history", "yard", "--limit", "210")

    words = [line.partition("Bob: ")[2] for line in done.out.splitlines()]
    assert words == [f"m{number}" for number in range(20, 230)]


async def test_text_of_others_cannot_control_the_terminal(
    ada: Terminal, rest: RestServer, stomp: StompServer
) -> None:
    room = rest.add_room("yard", "ada")
    stomp.store(room, "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\nsecond line", sender="\x1b[31mbob")

    done = await ada.run("history", "yard")

    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert done.out.splitlines()[1] == "    second line"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("history", "nowhere"), "none of your rooms has the name or id 'nowhere'"),
        (("join", "nowhere"), "no invite has the code 'nowhere'"),
        (("register", "ada"), "the username is taken"),
    ],
)
async def test_a_refusal_is_one_line_and_exit_code_1(
    ada: Terminal, arguments: tuple[str, ...], sentence: str
) -> None:
    done = await ada.run(*arguments)

    assert done.code == 1
    assert done.err.startswith("madang: ")
    assert sentence in done.err
    assert done.err.count("\n") == 1


async def test_a_room_name_that_is_not_unique_is_refused(ada: Terminal, rest: RestServer) -> None:
    rest.add_room("yard", "ada")
    room = rest.add_room("yard", "ada")

    by_name, by_id = await ada.run("members", "yard"), await ada.run("members", room)

    assert (by_name.code, by_id.code) == (1, 0)
    assert "several rooms are called 'yard'" in by_name.err


async def test_a_room_is_found_by_its_name_in_any_spelling(
    ada: Terminal, bob: Terminal, rest: RestServer
) -> None:
    yard = rest.add_room("마당", "ada")
    cafe = rest.add_room("Café", "ada", "bob", visibility="public")
    loud = rest.add_room("CAFÉ", "ada")
    decomposed = unicodedata.normalize("NFD", "마당")

    assert (await ada.run("members", f" {decomposed} ")).code == 0
    assert (await bob.run("members", "café")).code == 0
    both = await ada.run("members", "café")
    assert "several rooms are called" in both.err
    assert (await ada.run("history", "CAFE\u0301")).code == 0
    assert {yard, cafe, loud} <= rest.rooms.keys()


async def test_invites_are_listed_accepted_and_declined(
    ada: Terminal, bob: Terminal, rest: RestServer
) -> None:
    yard, spam = rest.add_room("yard", "ada"), rest.add_room("spam", "ada")
    rest.invited["bob"] = [spam, yard]

    listed = await bob.run("invites")
    declined = await bob.run("decline", f"code-{spam}")
    joined = await bob.id_from("join", f"code-{yard}")

    assert listed.out.splitlines()[0] == f"code-{spam}\tspam\tada\t2026-01-09T00:00:00Z"
    assert (declined.code, declined.out) == (0, "")
    assert "declined" in declined.err
    assert (joined, rest.invited["bob"]) == (yard, [yard])
    assert (await ada.id_from("invite", "yard", "Bob")) == f"code-{yard}"


async def test_a_user_is_blocked_and_unblocked_by_username(
    ada: Terminal, bob: Terminal, rest: RestServer
) -> None:
    blocked = await ada.run("block", "BOB")
    listed = await ada.run("blocks")
    unblocked = await ada.run("unblock", "bob")
    unknown = await ada.run("block", "bo")

    assert (blocked.code, blocked.err) == (0, "blocked bob\n")
    assert listed.out == "bob\tBob\n"
    assert (unblocked.code, rest.blocked["ada"]) == (0, [])
    assert (unknown.code, unknown.err) == (1, "madang: nobody has the username 'bo'\n")
    assert bob.folder.exists()


async def test_a_direct_room_is_hidden_and_shown_again(
    ada: Terminal, bob: Terminal, rest: RestServer
) -> None:
    room = await ada.id_from("direct", "bob")

    await ada.run("hide", room)
    without, everything = await ada.run("rooms"), await ada.run("rooms", "--hidden")
    await ada.run("unhide", room)

    assert (without.out, everything.out) == ("", f"{room}\tbob\tdirect\towner\n")
    assert (await ada.run("rooms")).out == everything.out
    assert bob.folder.exists()


async def test_a_room_of_others_is_refused(bob: Terminal, rest: RestServer) -> None:
    room = rest.add_room("yard", "ada")

    done = await bob.run("history", room)

    assert (done.code, done.err) == (1, "madang: Only members of the room may do this\n")


async def test_a_server_that_does_not_answer_is_exit_code_3(ada: Terminal) -> None:
    done = await ada.run("login", "ada", "--server", "http://127.0.0.1:9")

    assert done.code == 3
    assert done.err.startswith("madang: http://127.0.0.1:9 does not answer")
    assert done.err.count("\n") == 1


async def test_without_a_login_every_command_fails_with_exit_code_4(
    proxy: Proxy, tmp_path: Path
) -> None:
    done = await Terminal(proxy.url, tmp_path / "eve").run("rooms")

    assert (done.code, done.err) == (4, "madang: not logged in (madang login)\n")


async def test_a_logout_ends_the_login_locally_and_on_the_server(
    ada: Terminal, rest: RestServer
) -> None:
    assert rest.refresh_tokens

    assert (await ada.run("logout")).code == 0

    assert (await ada.run("rooms")).code == 4
    assert not rest.refresh_tokens
    assert not list(ada.folder.rglob("*.json"))


async def test_a_wrong_password_is_refused_and_the_old_login_kept(ada: Terminal) -> None:
    ada.environment["MADANG_PASSWORD"] = "wrong"

    done = await ada.run("login", "ada")

    assert (done.code, done.err) == (1, "madang: Wrong username or password\n")
    assert (await ada.run("rooms")).code == 0


async def test_without_a_terminal_the_password_is_not_prompted(ada: Terminal) -> None:
    del ada.environment["MADANG_PASSWORD"]

    done = await ada.run("login", "ada")

    assert done.code == 2
    assert "MADANG_PASSWORD" in done.err


@pytest.mark.parametrize("server", ["ftp://x", "127.0.0.1:8000", ""])
async def test_a_malformed_server_is_a_usage_error(ada: Terminal, server: str) -> None:
    done = await ada.run("rooms", "--server", server)

    assert done.code == 2
    assert "not a server's URL" in done.err


async def test_commands_at_the_same_time_renew_an_expired_login_once(
    ada: Terminal, rest: RestServer
) -> None:
    rest.expires_in = 0
    ada.has_login(rest.tokens("ada"))
    rest.expires_in = 300

    ended = await asyncio.gather(*(ada.run("rooms") for _ in range(4)))

    assert [done.code for done in ended] == [0] * 4
    assert rest.refreshes == 1
