"""A WebSocket connection over a real socket: upgrade, messages, compression, the end."""

import gc
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Opcode
from websockets.protocol import Protocol

from madang_gateway.session.session import Session
from madang_gateway.websocket.connection import Connection
from madang_gateway.websocket.frame_reader import FrameReader
from madang_gateway.websocket.frame_writer import FrameWriter
from services.gateway.tests.harness import Harness, message, running, until
from services.gateway.tests.raw_socket import raw_socket
from services.gateway.tests.stomp_client import opened, written

YARD = "/topic/rooms.yard"
SEND = "/app/rooms.yard.send"


async def refused(url: str, **options: Any) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as found:
        async with opened(url, **options):
            pass
    return found.value


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (["v12.stomp"], "v12.stomp"),
        (["v10.stomp", "v11.stomp", "v12.stomp"], "v12.stomp"),
        (["v10.stomp", "v11.stomp"], "v11.stomp"),
        (["mqtt", "v10.stomp"], "v10.stomp"),
        (["mqtt"], None),
        (None, None),
    ],
)
async def test_the_newest_common_subprotocol_is_negotiated(
    harness: Harness, offered: list[str] | None, agreed: str | None
) -> None:
    async with harness.opened(subprotocols=offered) as client:
        assert client.socket.subprotocol == agreed


async def test_other_paths_are_not_found(harness: Harness) -> None:
    answer = (await refused(f"ws://127.0.0.1:{harness.port}/other")).response

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert harness.metric("upgrades_refused_total", status="404", reason="path") == 1


async def test_only_allowed_origins_may_connect(tmp_path: Path) -> None:
    async with running(tmp_path, allowed_origins=("https://app.example",)) as harness:
        async with harness.opened(origin="https://app.example"):
            pass
        async with harness.opened(origin=f"http://127.0.0.1:{harness.port}"):
            pass

        assert (
            await refused(harness.url, origin="https://evil.example")
        ).response.status_code == 403


async def test_a_full_gateway_refuses_with_a_retry_time(tmp_path: Path) -> None:
    async with running(tmp_path, connections_limit=1) as harness:
        async with harness.opened():
            answer = (await refused(harness.url)).response
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "5"

        await until(lambda: harness.metric("connections") == 0)
        async with harness.connected("mina"):
            pass


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://["},
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Key": "nonsense"},
        {"Sec-WebSocket-Extensions": "((("},
        {"Sec-WebSocket-Protocol": ",,;"},
        {"X": "\xff"},
    ],
)
async def test_an_invalid_upgrade_is_refused_without_an_error_log(
    harness: Harness, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_socket(harness.port) as client:
        answer = await client.upgrade(**headers)

    assert answer.startswith(b"HTTP/1.1 ")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_stomp_frames_may_span_and_share_messages(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)
        frames = b"".join(
            written("SEND", {"destination": SEND, "receipt": text}, text.encode())
            for text in ("안녕", "두번째", "third")
        )

        cut = frames.index("녕".encode())
        for part in (frames[:cut], frames[cut : cut + 40], frames[cut + 40 :]):
            await mina.socket.send(part)

        assert [m.text for m in await mina.messages(3)] == ["안녕", "두번째", "third"]


async def test_a_fragmented_message_is_reassembled(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)
        frame = written("SEND", {"destination": SEND}, "안녕".encode())

        await mina.raw([frame[at : at + 1] for at in range(len(frame))])

        assert (await mina.message()).text == "안녕"


async def test_a_message_that_is_too_large_closes_with_1009(tmp_path: Path) -> None:
    async with running(tmp_path, frame_bytes=1000) as harness:
        async with harness.connected("mina") as mina:
            await mina.raw(b"\n" * 1000)
            assert await mina.send("still here")
            await mina.raw(b"\n" * 1001)
            assert await mina.closed() == 1009
        async with harness.connected("mina") as mina:
            await mina.raw([b"\n" * 600, b"\n" * 600])
            assert await mina.closed() == 1009
        await until(lambda: harness.metric("connections") == 0)
        assert harness.metric("connections_closed_total", code="1009") == 2


@pytest.mark.parametrize(
    "fragments",
    [[b"\xff"], [b"a\xc3"], [b"\xc3", b"\xc3"], [b"ab", b"\xed\xa0\x80"], [b"a", b"", b"\xc3"]],
)
async def test_text_that_is_not_utf8_closes_with_1007(
    harness: Harness, fragments: list[bytes]
) -> None:
    async with harness.connected("mina") as mina:
        await mina.raw(fragments if len(fragments) > 1 else fragments[0])

        assert await mina.closed() == 1007


async def test_a_character_may_span_fragments(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.raw([b"\n\xec"[:1], b"\n"])

        assert await mina.send("still here")


async def test_the_clients_own_close_code_is_answered(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.socket.close(4999, "my own")

        assert mina.socket.close_code == 4999
    await until(lambda: harness.metric("connections") == 0)
    assert harness.metric("connections_closed_total", code="3000") == 1


async def test_a_lost_connection_releases_everything(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)
        mina.socket.transport.abort()

        await until(lambda: harness.metric("connections") == 0)
        assert harness.metric("subscriptions") == 0
        assert harness.metric("connections_closed_total", code="1006") == 1


@pytest.mark.parametrize("ending", ["close", "abort", "stop", "mistake"])
async def test_a_closed_connection_is_freed_without_garbage_collection(
    harness: Harness, ending: str
) -> None:
    gc.collect()
    gc.disable()
    try:
        async with harness.connected("mina") as mina:
            await mina.subscribe(YARD, ack="client")
            await mina.send("acknowledge this")
            found = await mina.frame("MESSAGE")
            await mina.say("ACK", {"id": found.headers["ack"]})
            await (await mina.socket.ping())
            if ending == "abort":
                mina.socket.transport.abort()
            elif ending == "mistake":
                await mina.say("NONSENSE", {})
            elif ending == "stop":
                harness.stop()
            await mina.socket.close()

        await until(lambda: not any(map(_is_servers, gc.get_objects())))
    finally:
        gc.enable()


def _is_servers(found: object) -> bool:
    return (
        isinstance(found, Connection | Session | FrameReader | FrameWriter)
        or type(found) is Protocol
    )


async def test_compressed_and_plain_readers_share_a_room(tmp_path: Path) -> None:
    async with (
        running(tmp_path, permessage_deflate=True) as harness,
        harness.connected("mina", compression="deflate") as compressed,
        harness.connected("jun") as plain,
    ):
        for client in (compressed, plain):
            await client.subscribe(YARD)
            assert await client.send("x" * 5000)
            assert await client.send("안녕")

        for client, count in ((compressed, 4), (plain, 2)):
            texts = [m.text for m in await client.messages(count)]
            assert texts[-2:] == ["x" * 5000, "안녕"]
        assert [e.name for e in compressed.socket.protocol.extensions] == ["permessage-deflate"]
        assert plain.socket.protocol.extensions == []


async def test_compressed_messages_are_smaller_on_the_wire(tmp_path: Path) -> None:
    async with running(tmp_path, permessage_deflate=True, close_seconds=0.1) as harness:
        sizes = {}
        for extensions in ("permessage-deflate", ""):
            async with raw_socket(harness.port) as client:
                offer = {"Sec-WebSocket-Extensions": extensions} if extensions else {}
                await client.upgrade(**offer)
                token = harness.issuer.token("mina")
                frames = written("CONNECT", {"accept-version": "1.2", "passcode": token})
                frames += written("SUBSCRIBE", {"id": "s", "destination": YARD, "since": "start"})
                await harness.append(message("x" * 5000))
                await client.frame(Opcode.TEXT, frames + written("DISCONNECT", {"receipt": "1"}))
                sizes[extensions] = len(await client.rest())

        assert 0 < sizes["permessage-deflate"] < sizes[""] / 4


async def test_compression_is_off_unless_it_is_wanted(harness: Harness) -> None:
    async with harness.opened(compression="deflate") as client:
        assert client.socket.protocol.extensions == []


async def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    async with (
        running(tmp_path, permessage_deflate=True, frame_bytes=10_000) as harness,
        harness.connected("mina", compression="deflate") as mina,
    ):
        await mina.raw(b"\n" * 10_000_000)

        assert await mina.closed() == 1009


async def test_clients_get_a_reconnect_code_when_the_server_stops(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as harness,
        harness.connected("mina") as mina,
        harness.connected("jun") as jun,
        harness.opened() as silent,
    ):
        harness.stop()

        assert [await client.closed() for client in (mina, jun, silent)] == [1012, 1012, 1012]


async def test_messages_sent_before_a_stop_survive_it(tmp_path: Path) -> None:
    async with running(tmp_path) as harness, harness.connected("mina") as mina:
        last = (await mina.subscribe(YARD))["position"]
        said = [await mina.send(str(n)) for n in range(5)]
        harness.stop()
        assert await mina.closed() == 1012

    async with running(tmp_path) as harness, harness.connected("mina") as mina:
        await mina.subscribe(YARD, since=last)

        assert [m.headers["message-id"] for m in await mina.messages(5)] == said


async def test_a_frame_may_span_many_messages(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)

        for byte in written("SEND", {"destination": SEND}, "안녕".encode()):
            await mina.socket.send(bytes([byte]))

        assert (await mina.message()).text == "안녕"


async def test_a_message_may_hold_many_frames(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)

        await mina.raw(
            b"\n".join(
                written("SEND", {"destination": SEND}, text.encode()) for text in ("a", "b", "c")
            )
        )

        assert [m.text for m in await mina.messages(3)] == ["a", "b", "c"]
