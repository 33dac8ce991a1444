"""The environment of a command: limited encodings, unusable proxies."""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.client.tests.fakes.proxy import Proxy
from libs.client.tests.fakes.rest_server import RestServer
from libs.client.tests.fakes.stomp_server import StompServer
from libs.client.tests.fakes.terminal import COMMAND, Terminal


@pytest.fixture
async def ada(stomp: StompServer, rest: RestServer, tmp_path: Path) -> AsyncIterator[Terminal]:
    proxy = Proxy(stomp, rest)
    await proxy.start()
    terminal = Terminal(proxy.url, tmp_path / "ada")
    terminal.has_login(rest.add_user("ada"))
    yield terminal
    await proxy.stop()


async def output_of(
    terminal: Terminal, *arguments: str, given: bytes = b""
) -> tuple[int, bytes, bytes]:
    """Return how a command ends, and the bytes that it writes."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, env=terminal.environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(given)
    assert process.returncode is not None
    return process.returncode, out, err


async def test_unencodable_characters_are_replaced(ada: Terminal) -> None:
    room = await ada.id_from("create", "마당 👋")
    await ada.id_from("send", room, "hello 👋")
    ada.environment["PYTHONIOENCODING"] = "cp949"

    commands = {
        name: await output_of(ada, name, *arguments, given="안녕\n/quit\n".encode("cp949"))
        for name, *arguments in (
            ("chat", room),
            ("history", room),
            ("rooms",),
            ("members", room),
            ("invite", room),
            ("create", "또 👋"),
        )
    }

    ada.environment["PYTHONIOENCODING"] = "utf-8"
    history = await ada.run("history", room)

    for name, (code, _, err) in commands.items():
        assert code == 0, (name, err)
        assert b"Traceback" not in err
    chatted, listed = commands["chat"][1], commands["rooms"][1]
    assert b"hello ?" in chatted
    assert "마당 ?".encode("cp949") in listed
    assert "안녕" in history.out


async def test_a_proxy_for_other_servers_is_ignored(ada: Terminal) -> None:
    ada.environment |= {"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    room = await ada.id_from("create", "yard")

    assert (await ada.run("send", "yard", "hello")).code == 0
    assert room in (await ada.run("rooms")).out


async def test_an_unusable_proxy_is_reported_in_one_line(ada: Terminal) -> None:
    ada.environment |= {"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": ""}

    done = await ada.run("rooms")

    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "the proxy socks5://127.0.0.1:9" in done.err


async def test_undecodable_bytes_are_refused_in_one_line(ada: Terminal) -> None:
    await ada.id_from("create", "yard")

    for arguments in (("send", "yard", "\udcff"), ("create", "\udcff"), ("join", "\udcff")):
        done = await ada.run(*arguments)

        assert done.code != 0
        assert "Traceback" not in done.err, done.err
