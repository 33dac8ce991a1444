"""SockJS over a real WebSocket, by the sections of its protocol tests, and STOMP inside."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.gateway.tests.harness import PATIENCE_SECONDS, Harness, message, running
from services.gateway.tests.stomp_client import written
from tests.support.stomp_frames import Frame, read_frames

YARD = "/topic/rooms.yard"


class SockJs:
    """A SockJS client that reads and writes its frames."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.kept: list[Frame] = []

    async def frame(self) -> str:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await self.socket.recv()
        assert isinstance(found, str)
        return found

    async def say(self, command: str, headers: dict[str, str], body: bytes = b"") -> None:
        await self.socket.send(orjson.dumps([written(command, headers, body).decode()]).decode())

    async def stomp(self) -> Frame:
        """Return the next STOMP frame."""
        while not self.kept:
            found = await self.frame()
            assert found[0] == "a", found
            for text in orjson.loads(found[1:]):
                self.kept += read_frames(text.encode())
        return self.kept.pop(0)

    async def connect(self, token: str, heartbeat: str = "0,0") -> None:
        headers = {"accept-version": "1.1,1.2", "heart-beat": heartbeat, "passcode": token}
        await self.say("CONNECT", headers)
        assert (await self.stomp()).command == "CONNECTED"

    async def closed(self) -> tuple[list[str], int]:
        """Return the frames before the close frame, and its code."""
        frames = []
        try:
            while True:
                frames.append(await self.frame())
        except ConnectionClosed as closed:
            return frames, 1006 if closed.rcvd is None else closed.rcvd.code


@asynccontextmanager
async def sockjs(
    harness: Harness, session: str = "000/abc", **options: Any
) -> AsyncGenerator[SockJs]:
    url = f"ws://127.0.0.1:{harness.port}/ws-stomp/{session}/websocket"
    settings: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None}
    async with connect(url, **(settings | options)) as socket:
        client = SockJs(socket)
        assert await client.frame() == "o"
        yield client


async def test_a_session_opens_and_carries_stomp(harness: Harness) -> None:
    async with sockjs(harness) as mina:
        await mina.connect(harness.issuer.token("mina"))
        await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD, "receipt": "1"})
        assert (await mina.stomp()).headers["receipt-id"] == "1"

        await mina.say("SEND", {"destination": "/app/rooms.yard.send"}, "안녕 \U0001f44b".encode())

        assert (await mina.stomp()).text == "안녕 \U0001f44b"


async def test_both_framings_and_both_ways_of_catching_up_share_a_room(harness: Harness) -> None:
    ids = await harness.append(message("first"))
    async with sockjs(harness) as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        await mina.connect(harness.issuer.token("mina"))
        headers = {"id": "s", "destination": YARD, "receipt": "1", "since": "start"}
        await mina.say("SUBSCRIBE", headers)
        assert (await mina.stomp()).command == "RECEIPT"
        assert (await mina.stomp()).headers["message-id"] == ids[0]

        said = await jun.send("second")

        assert (await mina.stomp()).headers["message-id"] == said
        assert (await jun.message()).headers["message-id"] == said


async def test_empty_frames_are_ignored_and_messages_may_come_many_at_once(
    harness: Harness,
) -> None:
    async with sockjs(harness) as mina:
        await mina.socket.send("")
        await mina.socket.send("[]")
        hello = written(
            "CONNECT", {"accept-version": "1.2", "passcode": harness.issuer.token("mina")}
        )
        begin = written("BEGIN", {"transaction": "t", "receipt": "b"})
        cut = len(begin) // 2
        parts = [hello.decode(), begin[:cut].decode(), begin[cut:].decode()]

        await mina.socket.send(orjson.dumps(parts).decode())

        assert [(await mina.stomp()).command for _ in range(2)] == ["CONNECTED", "RECEIPT"]


async def test_a_message_may_be_a_string_alone_in_fragments_or_binary(harness: Harness) -> None:
    async with sockjs(harness) as mina:
        token = harness.issuer.token("mina")
        hello = written("CONNECT", {"accept-version": "1.2", "passcode": token}).decode()
        said = orjson.dumps(hello).decode()
        await mina.socket.send([said[at : at + 16] for at in range(0, len(said), 16)])
        assert (await mina.stomp()).command == "CONNECTED"

        begin = written("BEGIN", {"transaction": "t", "receipt": "b"}).decode()
        await mina.socket.send(orjson.dumps([begin]))

        assert (await mina.stomp()).command == "RECEIPT"


async def test_a_session_id_may_be_used_again(harness: Harness) -> None:
    async with sockjs(harness, "000/same") as first, sockjs(harness, "999/same") as second:
        await first.connect(harness.issuer.token("mina"))
        await second.connect(harness.issuer.token("jun"))
    async with sockjs(harness, "000/same") as third:
        await third.connect(harness.issuer.token("mina"))


@pytest.mark.parametrize("broken", ['["a', "hello", "[1]", "{}", '["\\ud800"]'])
async def test_broken_json_ends_the_connection(harness: Harness, broken: str) -> None:
    async with sockjs(harness) as mina:
        await mina.connect(harness.issuer.token("mina"))

        await mina.socket.send(broken)

        assert (await mina.closed())[1] == 1002


async def test_a_close_tells_its_code_and_reason_in_a_frame_of_its_own(harness: Harness) -> None:
    async with sockjs(harness) as mina:
        await mina.connect(harness.issuer.token("mina"))

        await mina.say("SEND", {"destination": "/nowhere"})

        frames, code = await mina.closed()
        assert frames[0].startswith('a["ERROR\\n')
        assert frames[1:] == ['c[4403,"Not found"]']
        assert code == 4403


async def test_the_receipt_of_disconnect_comes_before_the_close(harness: Harness) -> None:
    async with sockjs(harness) as mina:
        await mina.connect(harness.issuer.token("mina"))

        await mina.say("DISCONNECT", {"receipt": "bye"})

        frames, code = await mina.closed()
        assert "receipt-id:bye" in frames[0]
        assert (frames[1:], code) == (['c[1000,"disconnected"]'], 1000)


async def test_a_session_that_is_silent_gets_heartbeats(tmp_path: Path) -> None:
    async with (
        running(tmp_path, ping_seconds=0.1, heartbeat_grace=20) as harness,
        sockjs(harness) as silent,
    ):
        assert [await silent.frame() for _ in range(3)] == ["h", "h", "h"]


async def test_stomps_own_heartbeats_are_messages(harness: Harness) -> None:
    async with sockjs(harness) as mina:
        await mina.connect(harness.issuer.token("mina"), heartbeat="0,100")

        assert [await mina.frame() for _ in range(2)] == ['a["\\n"]'] * 2


async def test_raw_websocket_at_the_tutorials_path_is_stomp(harness: Harness) -> None:
    for path in ("/ws-stomp", "/ws-stomp/websocket"):
        async with connect(f"ws://127.0.0.1:{harness.port}{path}") as socket:
            token = harness.issuer.token("mina")
            await socket.send(written("CONNECT", {"accept-version": "1.2", "passcode": token}))
            assert str(await socket.recv()).startswith("CONNECTED\n")


async def test_a_session_path_with_dots_is_not_found(harness: Harness) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with sockjs(harness, "../abc."):
            pass

    assert refused.value.response.status_code == 404


async def test_sockjs_may_be_compressed(tmp_path: Path) -> None:
    async with (
        running(tmp_path, permessage_deflate=True) as harness,
        sockjs(harness, compression="deflate") as mina,
    ):
        await mina.connect(harness.issuer.token("mina"))
        await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD})

        await mina.say("SEND", {"destination": "/app/rooms.yard.send"}, b"x" * 5000)

        assert (await mina.stomp()).text == "x" * 5000
