"""The WebSocket under STOMP: upgrades, limits, heart-beats, slow readers, compression, the end."""

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

from madang_common.log.position import position, shard_of, to_id
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


# The upgrade


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
async def test_the_newest_subprotocol_that_both_know_is_agreed_on(
    harness: Harness, offered: list[str] | None, agreed: str | None
) -> None:
    async with harness.opened(subprotocols=offered) as client:
        assert client.socket.subprotocol == agreed


async def test_other_paths_are_not_found(harness: Harness) -> None:
    answer = (await refused(f"ws://127.0.0.1:{harness.port}/other")).response

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert harness.metric("upgrades_refused_total", status="404", reason="path") == 1


async def test_only_pages_on_the_list_may_connect(tmp_path: Path) -> None:
    async with running(tmp_path, allowed_origins=("https://app.example",)) as harness:
        async with harness.opened(origin="https://app.example"):
            pass
        async with harness.opened(origin=f"http://127.0.0.1:{harness.port}"):
            pass

        assert (
            await refused(harness.url, origin="https://evil.example")
        ).response.status_code == 403


async def test_a_full_gateway_says_when_to_come_back(tmp_path: Path) -> None:
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
async def test_a_strange_upgrade_is_answered_not_logged_as_a_failure(
    harness: Harness, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_socket(harness.port) as client:
        answer = await client.upgrade(**headers)

    assert answer.startswith(b"HTTP/1.1 ")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# Frames and messages


async def test_stomp_frames_may_span_messages_and_share_them(harness: Harness) -> None:
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


async def test_a_frame_in_many_messages_is_one_frame(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)

        for byte in written("SEND", {"destination": SEND}, "안녕".encode()):
            await mina.socket.send(bytes([byte]))

        assert (await mina.message()).text == "안녕"


async def test_many_frames_in_one_message_are_many_frames(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)

        await mina.raw(
            b"\n".join(
                written("SEND", {"destination": SEND}, text.encode()) for text in ("a", "b", "c")
            )
        )

        assert [m.text for m in await mina.messages(3)] == ["a", "b", "c"]


async def test_a_message_in_fragments_is_one_message(harness: Harness) -> None:
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


async def test_a_character_may_be_cut_by_fragments(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.raw([b"\n\xec"[:1], b"\n"])

        assert await mina.send("still here")


async def test_the_clients_own_close_code_is_answered(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.socket.close(4999, "my own")

        assert mina.socket.close_code == 4999
    await until(lambda: harness.metric("connections") == 0)
    assert harness.metric("connections_closed_total", code="3000") == 1


async def test_a_client_that_vanishes_leaves_nothing_behind(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)
        mina.socket.transport.abort()

        await until(lambda: harness.metric("connections") == 0)
        assert harness.metric("subscriptions") == 0
        assert harness.metric("connections_closed_total", code="1006") == 1


@pytest.mark.parametrize("ending", ["close", "abort", "stop", "mistake"])
async def test_a_connection_that_is_gone_waits_for_no_garbage_collection(
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


# Heart-beats


async def test_a_silent_server_sends_heartbeats(harness: Harness) -> None:
    async with harness.connected("mina", heartbeat="0,100") as mina:

        async def listen() -> None:
            while mina.heartbeats < 5:
                await mina._read()

        began = asyncio.get_running_loop().time()
        await asyncio.wait_for(listen(), 10)

        assert asyncio.get_running_loop().time() - began > 0.4


async def test_heartbeats_that_do_not_come_close_the_connection(harness: Harness) -> None:
    async with raw_socket(harness.port) as mina:
        await mina.stomp(harness.issuer.token("mina"), heartbeat="200,0")

        assert await mina.closed() == 4510


async def test_a_client_whose_heartbeats_stop_stays_as_long_as_it_answers_pings(
    harness: Harness,
) -> None:
    """A browser holds back the timers of a page that nobody looks at, and answers pings."""
    async with harness.connected("mina", heartbeat="200,0") as mina:
        # Three times as long as a client without a sign of life is kept.
        await asyncio.sleep(1.2)

        assert await mina.send("still here")


async def test_a_client_that_keeps_its_heartbeats_stays(tmp_path: Path) -> None:
    async with (
        running(tmp_path, heartbeat_grace=8) as harness,
        harness.connected("mina", heartbeat="200,0") as kept,
        raw_socket(harness.port) as lost,
    ):
        await lost.stomp(harness.issuer.token("jun"), heartbeat="200,0")

        async def beat() -> None:
            while True:
                await kept.raw(b"\n")
                await asyncio.sleep(0.05)

        beating = asyncio.create_task(beat())
        assert await lost.closed() == 4510
        beating.cancel()

        assert await kept.send("still here")


async def test_without_heartbeats_a_ping_asks_whether_somebody_is_there(tmp_path: Path) -> None:
    async with (
        running(tmp_path, ping_seconds=0.2, heartbeat_grace=8) as harness,
        harness.connected("mina") as mina,
        raw_socket(harness.port) as dead,
    ):
        assert b" 101 " in await dead.upgrade()

        # The library answers pings, the raw socket does not.
        assert await dead.closed() == 4510
        assert await mina.send("still here")


# Slow readers


async def test_a_slow_reader_is_closed_and_resumes_whole_and_others_do_not_notice(
    tmp_path: Path,
) -> None:
    async with (
        running(
            tmp_path,
            send_buffer_bytes=8192,
            slow_consumer_bytes=100_000,
            live_pause_bytes=10_000,
            close_seconds=30,
        ) as harness,
        harness.connected("jun") as jun,
        raw_socket(harness.port, receive_buffer_bytes=8192) as slow,
    ):
        await jun.subscribe(YARD)
        await slow.upgrade()
        token = harness.issuer.token("mina")
        await slow.frame(
            Opcode.TEXT,
            written("CONNECT", {"accept-version": "1.2", "passcode": token})
            + written("SUBSCRIBE", {"id": "s", "destination": YARD}),
        )
        await until(lambda: harness.metric("subscriptions") == 2)

        ids: list[str] = []
        while harness.metric("subscriptions") == 2:
            ids += await harness.append(*(message("x" * 1000) for _ in range(20)))
            heard = await jun.messages(20)
            assert [m.headers["message-id"] for m in heard] == ids[-20:]

        assert await slow.closed() == 4508
        assert harness.metric("slow_closes_total", cause="unread") == 1
        async with harness.connected("mina") as mina:
            await mina.subscribe(YARD, since=ids[0])
            again = await mina.messages(len(ids) - 1)
        assert [m.headers["message-id"] for m in again] == ids[1:]


async def test_who_reads_is_not_taken_for_slow_when_much_comes_at_once(tmp_path: Path) -> None:
    async with (
        running(tmp_path, send_buffer_bytes=500_000) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(YARD)

        ids = await _append_at_once(harness, batches=64, events=100)

        heard = await mina.messages(len(ids))
        assert [m.headers["message-id"] for m in heard] == ids
        assert harness.metric("slow_closes_total", cause="unread") == 0


async def _append_at_once(harness: Harness, *, batches: int, events: int) -> list[str]:
    """Append so many batches that the gateway finds waiting together; return their events' ids."""
    shard = shard_of(message().audience, harness.log.shards)
    begin = await harness.log.end(shard)
    lines = [tuple(message("x" * 400).line() for _ in range(events)) for _ in range(batches)]
    await asyncio.gather(*(harness.log.append(shard, batch) for batch in lines))
    return [
        to_id(position(begin + batch, line)) for batch in range(batches) for line in range(events)
    ]


UNLIMITED: dict[str, Any] = {
    "frames_before_connected": 1e9,
    "frames_per_second": 1e9,
    "frames_burst": 1e9,
    "frames_per_second_per_user": 1e9,
    "frames_burst_per_user": 1e9,
    "frames_per_second_per_address": 1e9,
    "frames_burst_per_address": 1e9,
}


@pytest.mark.parametrize("connects", [False, True])
async def test_who_pings_and_reads_no_pongs_is_a_slow_reader(
    tmp_path: Path, *, connects: bool
) -> None:
    """However many pings somebody may send."""
    async with (
        running(
            tmp_path, send_buffer_bytes=8192, slow_consumer_bytes=100_000, **UNLIMITED
        ) as harness,
        raw_socket(harness.port, receive_buffer_bytes=8192) as flood,
    ):
        if connects:
            await flood.stomp(harness.issuer.token("mina"))
        else:
            await flood.upgrade()
        ping = Frame(Opcode.PING, b"x" * 125).serialize(mask=True)
        sent = 0

        while not harness.metric("connections_closed_total", code="4508"):
            sent += len(ping) * 1000
            assert sent < 20_000_000, "it takes whatever comes"
            await flood.send(ping * 1000)

        await until(lambda: harness.metric("connections") == 0)


async def test_whoever_misses_much_is_not_taken_for_slow(tmp_path: Path) -> None:
    async with (
        running(
            tmp_path, send_buffer_bytes=8192, slow_consumer_bytes=40_000, live_pause_bytes=5000
        ) as harness,
        harness.connected("mina") as mina,
    ):
        ids = [one for _ in range(10) for one in await harness.append(*_many(100))]

        receipt = await mina.subscribe(YARD, since="start")
        heard = await mina.messages(1000)

        assert receipt["resumed"] == "true"
        assert [m.headers["message-id"] for m in heard] == ids


@pytest.mark.parametrize("missed", [15, 100])
async def test_whoever_misses_much_in_many_places_is_not_taken_for_slow(
    tmp_path: Path, missed: int
) -> None:
    names = [str(number) for number in range(10)]
    async with (
        running(
            tmp_path, send_buffer_bytes=8192, slow_consumer_bytes=40_000, live_pause_bytes=5000
        ) as harness,
        harness.connected("mina") as mina,
    ):
        ids = await harness.append(*_many(missed))
        await until(lambda: harness.metric("events_total") == missed)

        headers = {"destination": YARD, "since": "start"}
        await mina.socket.send(
            b"".join(written("SUBSCRIBE", {"id": name, **headers}) for name in names)
        )

        for name in names:
            heard = await mina.messages(missed, name)
            assert [m.headers["message-id"] for m in heard] == ids


def _many(count: int) -> list[Any]:
    return [message("x" * 500) for _ in range(count)]


async def test_live_notices_are_dropped_first(tmp_path: Path) -> None:
    async with (
        running(
            tmp_path, send_buffer_bytes=8192, live_pause_bytes=5000, sends_burst=10_000
        ) as harness,
        harness.connected("jun") as jun,
        raw_socket(harness.port, receive_buffer_bytes=8192) as slow,
    ):
        await slow.upgrade()
        token = harness.issuer.token("mina")
        await slow.frame(
            Opcode.TEXT,
            written("CONNECT", {"accept-version": "1.2", "passcode": token})
            + written("SUBSCRIBE", {"id": "l", "destination": f"{YARD}.live"})
            + written("SUBSCRIBE", {"id": "s", "destination": YARD}),
        )
        await until(lambda: harness.metric("subscriptions") == 2)

        while not harness.metric("notices_dropped_total"):
            for _ in range(50):
                await jun.say("SEND", {"destination": "/app/rooms.yard.typing"})
            await jun.send("", destination="/app/rooms.yard.typing")

        said = await jun.send("hi")
        assert harness.metric("connections") == 2
        assert said.encode() in await slow.until(said.encode())


# Compression


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


async def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    async with (
        running(tmp_path, permessage_deflate=True, frame_bytes=10_000) as harness,
        harness.connected("mina", compression="deflate") as mina,
    ):
        await mina.raw(b"\n" * 10_000_000)

        assert await mina.closed() == 1009


# The end


async def test_everyone_is_told_to_come_back_when_the_server_stops(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as harness,
        harness.connected("mina") as mina,
        harness.connected("jun") as jun,
        harness.opened() as silent,
    ):
        harness.stop()

        assert [await client.closed() for client in (mina, jun, silent)] == [1012, 1012, 1012]


async def test_what_was_sent_before_the_stop_is_there_after_it(tmp_path: Path) -> None:
    async with running(tmp_path) as harness, harness.connected("mina") as mina:
        last = (await mina.subscribe(YARD))["position"]
        said = [await mina.send(str(n)) for n in range(5)]
        harness.stop()
        assert await mina.closed() == 1012

    async with running(tmp_path) as harness, harness.connected("mina") as mina:
        await mina.subscribe(YARD, since=last)

        assert [m.headers["message-id"] for m in await mina.messages(5)] == said
