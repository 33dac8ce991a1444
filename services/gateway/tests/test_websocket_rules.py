"""RFC 6455: a client without a library sends frames that no library would."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from websockets.frames import Frame, Opcode

from madang_gateway.node.node import Node
from services.gateway.tests.harness import Harness, running, until
from services.gateway.tests.raw_socket import PATIENCE_SECONDS, UPGRADE, RawSocket, raw_socket
from services.gateway.tests.stomp_client import written

BEGIN = written("BEGIN", {"transaction": "t", "receipt": "r"})


@asynccontextmanager
async def talking(harness: Harness) -> AsyncGenerator[RawSocket]:
    """Yield a raw connection whose CONNECT was accepted."""
    async with raw_socket(harness.port) as client:
        assert (await client.upgrade()).startswith(b"HTTP/1.1 101 ")
        hello = {"accept-version": "1.2", "passcode": harness.issuer.token("mina")}
        await client.frame(Opcode.TEXT, written("CONNECT", hello))
        assert (await next_frame(client))[1].startswith(b"CONNECTED\n")
        yield client


async def next_frame(client: RawSocket) -> tuple[int, bytes]:
    """Return the opcode and the data of the next frame, which must be a whole unmasked message."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        first, second = await client.reader.readexactly(2)
        assert first & 0x80, "the gateway sends no fragments"
        assert not first & 0x70, "nor reserved bits"
        assert not second & 0x80, "nor masks"
        size = second & 0x7F
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(await client.reader.readexactly(width), "big")
        return first & 0x0F, await client.reader.readexactly(size)


async def answered(client: RawSocket) -> None:
    """Fail unless the next frame is the RECEIPT of BEGIN."""
    opcode, data = await next_frame(client)
    assert opcode == Opcode.TEXT
    assert b"receipt-id:r\n" in data


async def close_code(client: RawSocket) -> int:
    """Return the code of the next close frame; check that the gateway closes the connection."""
    opcode, data = await next_frame(client)
    assert opcode == Opcode.CLOSE
    await client.frame(Opcode.CLOSE, data)
    assert await client.rest() == b""
    return int.from_bytes(data[:2], "big")


def raw(first: int, data: bytes, *, masked: bool = True) -> bytes:
    """Return a short frame with that first byte; a mask of zeros leaves the data as it is."""
    assert len(data) < 126
    mask = 0x80 if masked else 0
    return bytes([first, mask | len(data)]) + (bytes(4) if masked else b"") + data


# Fragmentation (section 5.4)


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
async def test_a_message_may_come_in_fragments(harness: Harness, opcode: Opcode) -> None:
    async with talking(harness) as client:
        await client.frame(opcode, BEGIN[:5], fin=False)
        await client.frame(Opcode.CONT, b"", fin=False)
        for at in range(5, len(BEGIN)):
            await client.frame(Opcode.CONT, BEGIN[at : at + 1], fin=False)
        await client.frame(Opcode.CONT, b"", fin=True)

        await answered(client)


async def test_control_frames_may_come_between_fragments(harness: Harness) -> None:
    async with talking(harness) as client:
        await client.frame(Opcode.TEXT, BEGIN[:10], fin=False)
        await client.frame(Opcode.PING, b"are you there?")
        assert await next_frame(client) == (Opcode.PONG, b"are you there?")
        await client.frame(Opcode.PONG, b"unasked")
        await client.frame(Opcode.CONT, BEGIN[10:], fin=True)

        await answered(client)


async def test_a_close_between_fragments_leaves_the_message_unfinished(harness: Harness) -> None:
    async with talking(harness) as client:
        await client.frame(Opcode.TEXT, BEGIN[:10], fin=False)
        await client.frame(Opcode.CLOSE, b"\x03\xe8bye")

        # RFC 6455 leaves it open; the library takes it as a mistake.
        assert await close_code(client) == 1002


@pytest.mark.parametrize(
    "frames",
    [
        raw(0x80, b"x"),
        raw(0x01, b"x") + raw(0x81, b"y"),
        raw(0x01, b"x") + raw(0x02, b"y"),
        raw(0x09, b"x"),
        raw(0x08, b""),
    ],
    ids=[
        "continuation of nothing",
        "text within a message",
        "binary within a message",
        "fragmented ping",
        "fragmented close",
    ],
)
async def test_fragments_out_of_place_are_a_protocol_error(harness: Harness, frames: bytes) -> None:
    async with talking(harness) as client:
        await client.send(frames)

        assert await close_code(client) == 1002


# Base framing (section 5.2)


@pytest.mark.parametrize("bits", [0x40, 0x20, 0x10, 0x70])
async def test_reserved_bits_are_a_protocol_error(harness: Harness, bits: int) -> None:
    async with talking(harness) as client:
        await client.send(raw(0x81 | bits, BEGIN))

        assert await close_code(client) == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
async def test_reserved_opcodes_are_a_protocol_error(harness: Harness, opcode: int) -> None:
    async with talking(harness) as client:
        await client.send(raw(0x80 | opcode, b"x"))

        assert await close_code(client) == 1002


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.CLOSE])
async def test_a_client_that_does_not_mask_is_a_protocol_error(
    harness: Harness, opcode: Opcode
) -> None:
    async with talking(harness) as client:
        await client.send(raw(0x80 | opcode, b"\x03\xe8", masked=False))

        assert await close_code(client) == 1002


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CLOSE])
async def test_a_control_frame_with_too_much_is_a_protocol_error(
    harness: Harness, opcode: Opcode
) -> None:
    async with talking(harness) as client:
        data = b"\x03\xe8" + b"x" * 124
        await client.send(bytes([0x80 | opcode, 0xFE, 0, len(data)]) + bytes(4) + data)

        assert await close_code(client) == 1002


# Text is UTF-8 (section 8.1)


@pytest.mark.parametrize(
    "fragments",
    [[b"\xff"], [b"\xed\xa0\x80"], [b"\xf4\x90\x80\x80"], [b"\xc3", b""], [b"a\xec", b"b"]],
)
async def test_text_that_is_no_utf_8_is_refused(harness: Harness, fragments: list[bytes]) -> None:
    async with talking(harness) as client:
        await client.frame(Opcode.TEXT, fragments[0], fin=len(fragments) == 1)
        for data in fragments[1:]:
            await client.frame(Opcode.CONT, data, fin=data is fragments[-1])

        assert await close_code(client) == 1007


async def test_bytes_need_not_be_utf_8_until_stomp_says_so(harness: Harness) -> None:
    async with talking(harness) as client:
        await client.frame(Opcode.BINARY, written("SEND", {"x": "y"})[:-2] + b"\xff\0")

        assert (await next_frame(client))[1].startswith(b"ERROR\n")
        assert await close_code(client) == 4400


async def test_a_close_reason_that_is_no_utf_8_is_a_protocol_error(harness: Harness) -> None:
    async with talking(harness) as client:
        await client.frame(Opcode.CLOSE, b"\x03\xe8\xff")

        assert await close_code(client) in {1002, 1007}


# Size (section 7.4.1, 1009)


@pytest.mark.parametrize("pieces", [1, 2, 4])
async def test_a_message_that_is_too_large_is_refused_before_it_is_kept(
    tmp_path: Path, pieces: int
) -> None:
    async with running(tmp_path, frame_bytes=1000) as harness, talking(harness) as client:
        size = 1200 // pieces
        for number in range(pieces):
            opcode = Opcode.CONT if number else Opcode.TEXT
            await client.frame(opcode, b"\n" * size, fin=number == pieces - 1)

        assert await close_code(client) == 1009


async def test_a_length_alone_is_enough_to_be_refused(harness: Harness) -> None:
    async with talking(harness) as client:
        await client.send(bytes([0x81, 0xFF]) + (1 << 62).to_bytes(8, "big") + bytes(4))

        assert await close_code(client) == 1009


# Ping and pong (sections 5.5.2 and 5.5.3)


async def test_each_ping_gets_its_pong(harness: Harness) -> None:
    async with talking(harness) as client:
        for data in (b"", b"x" * 125, "마당".encode()):
            await client.frame(Opcode.PING, data)
            assert await next_frame(client) == (Opcode.PONG, data)


# The closing handshake (section 7)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 1005),
        (b"\x03\xe8", 1000),
        (b"\x03\xe9going", 1001),
        (b"\x0f\xa0", 4000),
    ],
)
async def test_a_close_is_answered_with_the_same_code(
    harness: Harness, data: bytes, code: int
) -> None:
    async with talking(harness) as client:
        await client.frame(Opcode.CLOSE, data)

        opcode, answer = await next_frame(client)
        assert opcode == Opcode.CLOSE
        assert (int.from_bytes(answer[:2], "big") if answer else 1005) == code
        assert await client.rest() == b""
    await until(lambda: harness.metric("connections") == 0)


@pytest.mark.parametrize("data", [b"\x03", b"\x03\xed", b"\x03\xee", b"\x00\x00", b"\x0b\xb7"])
async def test_a_close_code_that_may_not_be_sent_is_a_protocol_error(
    harness: Harness, data: bytes
) -> None:
    async with talking(harness) as client:
        await client.frame(Opcode.CLOSE, data)

        assert await close_code(client) == 1002


async def test_nothing_is_read_after_a_close(harness: Harness) -> None:
    async with talking(harness) as client:
        closing = Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True)
        await client.send(closing + Frame(Opcode.TEXT, BEGIN).serialize(mask=True))

        assert (await next_frame(client))[0] == Opcode.CLOSE
        assert await client.rest() == b""


async def test_a_connection_that_just_ends_is_abnormal(harness: Harness) -> None:
    async with talking(harness) as client:
        client.writer.write_eof()
        await client.rest()

    await until(lambda: harness.metric("connections") == 0)
    assert harness.metric("connections_closed_total", code="1006") == 1


# The opening handshake (section 4): refusals are plain HTTP


async def refused(client: RawSocket, path: str = "/ws", **headers: str) -> tuple[int, Any, bytes]:
    """Return the status of the answer to an upgrade, its problem and its head."""
    head = await client.upgrade(path, **headers)
    problem = orjson.loads(await client.rest())
    assert b"content-type: application/problem+json" in head.lower()
    status = int(head.split(b" ")[1])
    assert status == problem["status"]
    return status, problem, head


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Sec-WebSocket-Version": None}, 400),
        ({"Sec-WebSocket-Version": "8"}, 400),
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ({"Sec-WebSocket-Key": "not base64 at all!!!!!!="}, 400),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
async def test_an_invalid_handshake_is_answered_with_a_problem(
    harness: Harness, changed: dict[str, str | None], status: int
) -> None:
    headers = {name: value for name, value in (UPGRADE | changed).items() if value is not None}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    async with raw_socket(harness.port) as client:
        await client.send("\r\n".join(["GET /ws HTTP/1.1", *lines, "", ""]).encode())
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")

    assert int(head.split(b" ")[1]) == status
    assert orjson.loads(body)["status"] == status
    assert orjson.loads(body)["detail"]
    assert b"content-type: application/problem+json" in head.lower()
    if "Sec-WebSocket-Version" in changed:
        assert b"sec-websocket-version: 13" in head.lower()
    reason = "origin" if "Origin" in changed else "handshake"
    assert harness.metric("upgrades_refused_total", status=str(status), reason=reason) == 1


async def test_http_before_1_1_has_no_websockets(harness: Harness) -> None:
    # RFC 6455 section 4.2.1
    lines = [f"{name}: {value}" for name, value in UPGRADE.items()]
    async with raw_socket(harness.port) as client:
        await client.send("\r\n".join(["GET /ws HTTP/1.0", *lines, "", ""]).encode())
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")

    assert int(head.split(b" ")[1]) == orjson.loads(body)["status"] == 505


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws-stomp/a/b/xhr", "/internal"])
async def test_an_upgrade_elsewhere_is_not_found(harness: Harness, path: str) -> None:
    async with raw_socket(harness.port) as client:
        status, problem, _ = await refused(client, path)

    assert (status, problem["type"]) == (404, "urn:madang:problem:not-found")


async def test_too_many_from_one_address_are_refused(tmp_path: Path) -> None:
    async with running(
        tmp_path, connections_per_address=2, proxy_addresses=("127.0.0.1",)
    ) as harness:
        first = {"X-Forwarded-For": "203.0.113.7"}
        async with (
            raw_socket(harness.port) as one,
            raw_socket(harness.port) as two,
            raw_socket(harness.port) as three,
            raw_socket(harness.port) as other,
        ):
            for client in (one, two):
                assert b" 101 " in await client.upgrade(**first)
            status, problem, head = await refused(three, **first)
            assert (status, problem["type"]) == (429, "urn:madang:problem:too-many-requests")
            assert b"retry-after: " in head.lower()
            assert b" 101 " in await other.upgrade(**{"X-Forwarded-For": "203.0.113.8"})
        await until(lambda: harness.metric("connections") == 0)
        async with raw_socket(harness.port) as again:
            assert b" 101 " in await again.upgrade(**first)


async def test_too_many_connections_of_a_user_are_refused_at_an_upgrade_with_token(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, connections_per_user=1) as harness, harness.connected("mina"):
        token = harness.issuer.token("mina")
        async with raw_socket(harness.port) as client:
            status, problem, _ = await refused(client, Authorization=f"Bearer {token}")
        assert (status, problem["detail"]) == (
            429,
            "You have too many connections; close one.",
        )
        async with raw_socket(harness.port) as client:
            jun = harness.issuer.token("jun")
            assert b" 101 " in await client.upgrade(Authorization=f"Bearer {jun}")


async def test_a_gateway_that_is_stopping_refuses_upgrades(harness: Harness) -> None:
    cast(Node, harness.app.state.websocket.node).admission.draining = True

    async with raw_socket(harness.port) as client:
        status, problem, head = await refused(client)

    assert (status, problem["type"]) == (503, "urn:madang:problem:unavailable")
    assert re.search(rb"retry-after: [123]\r", head.lower())
