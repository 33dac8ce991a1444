import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.client.tests.fakes.chats import eventually
from libs.client.tests.fakes.proxy import Proxy
from libs.client.tests.fakes.rest_server import RestServer, problem
from libs.client.tests.fakes.stomp_server import StompServer
from libs.client.tests.fakes.terminal import Terminal, read_until, type_line


@pytest.fixture
async def proxy(stomp: StompServer, rest: RestServer) -> AsyncIterator[Proxy]:
    proxy = Proxy(stomp, rest)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def ada(proxy: Proxy, rest: RestServer, tmp_path: Path) -> Terminal:
    terminal = Terminal(proxy.url, tmp_path)
    terminal.has_login(rest.add_user("ada"))
    return terminal


@pytest.fixture
def room(rest: RestServer) -> str:
    return rest.add_room("yard", "ada")


async def test_a_chat_shows_history_and_new_messages(
    ada: Terminal, room: str, stomp: StompServer
) -> None:
    for number in range(25):
        stomp.store(room, f"m{number}")
    process = await ada.start("chat", "yard", "--last", "10")
    before = await read_until(process, "m24")

    await stomp.say(room, "live")
    live = await read_until(process, "live")
    await type_line(process, "hello 마당")
    own = await read_until(process, "hello 마당")
    await type_line(process, "/quit")
    out, err = await process.communicate()

    words = [line.partition("Bob: ")[2] for line in before[1:]]
    assert words == [f"m{number}" for number in range(15, 25)]
    assert live == ["[2026-01-02 03:04] Bob: live"]
    assert own == ["[2026-01-02 03:04] Ada: hello 마당"]
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_more_shows_older_messages_until_there_are_none(
    ada: Terminal, room: str, stomp: StompServer
) -> None:
    for number in range(25):
        stomp.store(room, f"m{number}")
    process = await ada.start("chat", "yard", "--last", "10")
    await read_until(process, "m24")

    shown: list[str] = []
    for _ in range(2):
        await type_line(process, "/more")
        shown += await read_until(process, "end of older")
    await type_line(process, "/more")
    await read_until(process, "there is nothing older")
    await process.communicate(b"/quit\n")

    words = [line.partition("Bob: ")[2] for line in shown if "Bob: " in line]
    assert words == [f"m{number}" for number in [*range(5, 15), *range(5)]]


async def test_who_lists_present_people(ada: Terminal, room: str, rest: RestServer) -> None:
    rest.present[room] = ["ada", "bob"]
    process = await ada.start("chat", "yard")

    await type_line(process, "/who")
    shown = await read_until(process, "here: Ada, Bob")
    rest.present[room] = [f"user{number:02}" for number in range(60)]
    await type_line(process, "/who")
    many = await read_until(process, "and others")
    await process.communicate(b"/quit\n")

    assert shown[-1] == "-- here: Ada, Bob"
    assert many[-1].count(",") == 50


async def test_a_chat_reports_a_reconnect_and_marks_missed_messages(
    ada: Terminal, room: str, stomp: StompServer
) -> None:
    await stomp.say(room, "before")
    process = await ada.start("chat", "yard")
    await read_until(process, "before")
    await eventually(lambda: f"/topic/rooms.{room}" in str(stomp.peers[0].subscriptions))

    await stomp.stop()
    await read_until(process, "-- connection lost (restarting)")
    stomp.store(room, "while away")
    await type_line(process, "typed while away")
    await stomp.start()
    back = await read_until(process, "typed while away")
    await process.communicate(b"")

    assert "-- connected again" in back
    assert "[2026-01-02 03:04] (missed) Bob: while away" in back
    assert process.returncode == 0
    assert [event["data"]["text"] for event in stomp.events[room]] == [
        "before",
        "while away",
        "typed while away",
    ]


async def test_all_lines_of_a_pipe_are_sent_before_the_end(
    ada: Terminal, room: str, stomp: StompServer
) -> None:
    done = await ada.run("chat", "yard", given="one\n\ntwo\n//three\nfour")

    assert done.code == 0
    words = [line.partition("Ada: ")[2] for line in done.out.splitlines() if "Ada: " in line]
    assert words == ["one", "two", "/three", "four"]


async def test_a_rate_limited_sender_waits_and_a_refused_message_is_reported(
    ada: Terminal, room: str, stomp: StompServer
) -> None:
    slow_down = problem("too-many-requests", 429, retry_after_seconds=0.01)
    stomp.script.sends = [slow_down, problem("too-large", 413, "Too large")]

    done = await ada.run("chat", "yard", given="one\ntwo\n")

    # "one" is slowed down first, and refused the second time.
    assert done.err == "not sent: one (Too large)\n"
    assert [event["data"]["text"] for event in stomp.events[room]] == ["two"]


async def test_messages_are_changed_by_commands(
    ada: Terminal, room: str, stomp: StompServer
) -> None:
    stomp.store(room, "lunch?")

    done = await ada.run(
        "chat",
        "yard",
        given="helo\n/edit hello\n/react 👍\n/react 🎉 2\n/reply 2 at noon\n/delete\n",
    )

    assert done.err == ""
    lines = [line.partition("] ")[2] for line in done.out.splitlines()[1:]]
    assert lines == [
        "Bob: lunch?",
        "Ada: helo",
        "* “Ada” edited “helo”: hello",
        "* “Ada” reacted 👍 to “hello”",
        "* “Ada” reacted 🎉 to “lunch?”",
        "Ada, answering “lunch?”: at noon",
        "* “Ada” deleted the message of “Ada” at 2026-01-02 03:04",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("/edit", "give the new text: /edit TEXT"),
        ("/edit new", "none of the messages here is yours"),
        ("/delete", "none of the messages here is yours"),
        ("/delete 1", "/delete deletes your last message, and takes nothing else"),
        ("/react", "give an emoji: /react EMOJI [NUMBER]"),
        ("/react 👍 2", "there is no message with this number; 1 is the last one"),
        ("/react 👍 0", "there is no message with this number; 1 is the last one"),
        ("/reply 1", "give a number and the text: /reply NUMBER TEXT"),
        ("/reply x yes", "there is no message with this number; 1 is the last one"),
    ],
)
async def test_a_command_that_cannot_be_done_says_why(
    ada: Terminal, room: str, stomp: StompServer, line: str, reason: str
) -> None:
    stomp.store(room, "lunch?")

    done = await ada.run("chat", "yard", given=f"{line}\n")

    assert done.err == f"not sent: {line} ({reason})\n"
    assert stomp.sends == []


async def test_a_refused_change_is_reported(ada: Terminal, room: str, stomp: StompServer) -> None:
    stomp.store(room, "lunch?")
    stomp.script.sends = [problem("message-deleted", 409, "The message was deleted")]

    done = await ada.run("chat", "yard", given="/react 👍\n")

    assert done.err == "not sent: /react 👍 (The message was deleted)\n"


async def test_a_gap_is_reported(ada: Terminal, room: str, stomp: StompServer) -> None:
    await stomp.say(room, "before")
    process = await ada.start("chat", "yard")
    await read_until(process, "before")
    await eventually(lambda: f"/topic/rooms.{room}" in str(stomp.peers[0].subscriptions))
    await stomp.stop()
    stomp.store(room, "lost")
    stomp.script.kept_from = str(stomp.store(room, "kept")["id"])
    await stomp.start()

    lines = await read_until(process, "kept")

    assert "-- some messages are missing here: the server no longer has them" in lines
    await process.communicate(b"")


@pytest.mark.parametrize("kind", ["member.removed", "member.banned"])
async def test_a_removal_ends_the_chat(
    ada: Terminal, room: str, stomp: StompServer, kind: str
) -> None:
    await stomp.say(room, "before")
    process = await ada.start("chat", "yard")
    await read_until(process, "before")
    await eventually(lambda: f"/topic/rooms.{room}" in str(stomp.peers[0].subscriptions))

    removal = stomp.store(room, "", kind=kind)
    removal["data"] = {"user": "id-ada", "name": "Ada", "by": "id-bob"}
    await stomp.deliver(room, removal)
    _, err = await asyncio.wait_for(process.communicate(), 10)

    assert (process.returncode, err) == (1, b"madang: you are no longer in this room\n")


async def test_a_chat_ends_when_its_login_does(
    ada: Terminal, room: str, stomp: StompServer
) -> None:
    await stomp.say(room, "before")
    process = await ada.start("chat", "yard")
    await read_until(process, "before")
    await eventually(lambda: f"/topic/rooms.{room}" in str(stomp.peers[0].subscriptions))

    await stomp.close_all(4410, "login ended")
    _, err = await asyncio.wait_for(process.communicate(), 10)

    assert (process.returncode, err) == (
        4,
        b"madang: this session has ended; log in again (madang login)\n",
    )


async def test_at_a_terminal_the_prompt_is_below_the_messages(
    ada: Terminal, room: str, stomp: StompServer
) -> None:
    await stomp.say(room, "before")
    typist = await ada.start_at_a_screen("chat", "yard")
    await eventually(lambda: "before" in typist.screen and ">" in typist.screen, 30)

    typist.type("hello there\r")
    await eventually(lambda: "Ada: hello there" in typist.screen, 30)
    await stomp.say(room, "welcome")
    await eventually(lambda: "Bob: welcome" in typist.screen, 30)
    typist.type("\x04")

    assert await typist.leave() == 0
    assert [event["data"]["text"] for event in stomp.events[room]][1] == "hello there"


async def test_at_a_terminal_the_password_is_prompted_without_echo(
    ada: Terminal, rest: RestServer
) -> None:
    del ada.environment["MADANG_PASSWORD"]
    typist = await ada.start_at_a_screen("login", "ada")
    # The space is written once what is typed is no longer shown.
    await eventually(lambda: "Password: " in typist.screen, 30)

    typist.type("correct horse\r")

    assert await typist.leave() == 0
    assert "logged in as ada" in typist.screen
    assert "correct" not in typist.screen
