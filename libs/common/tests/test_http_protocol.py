"""Limits and timeouts of requests and responses."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from madang_common.http.protocol import http_protocol
from madang_common.http.upgrade import Upgraded
from tests.support.server_beside import ServerBeside, listening

HEAD_BYTES = 2000
SECONDS = 0.5
PATIENCE_SECONDS = 10
LARGE = 20_000_000
"""Bytes of a response larger than any socket buffer."""
HTTP = http_protocol(within_head_bytes=HEAD_BYTES, within_seconds=SECONDS)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body; on `/slow` later than the request timeout."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * SECONDS)
    body = b"x" * LARGE if scope["path"] == "/large" else f"<{size}>".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Echo(Upgraded):
    """Fake of the upgraded protocol: sends the request line, then echoes."""

    @override
    def __init__(self, server_state: ServerState) -> None:
        self._transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    @override
    def open(
        self, method: str, target: str, version: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        self._transport.write(f"{method} {target} {version} {headers}\r\n\r\n".encode())

    @override
    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        with suppress(ConnectionError):
            await self._writer.drain()

    async def expect(self, wanted: bytes) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._reader.readuntil(wanted)

    async def some(self, limit: int) -> int:
        """Read up to `limit` bytes; return their number."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return len(await self._reader.read(limit))

    def vanish(self) -> None:
        """Close the connection with a reset."""
        self._writer.transport.abort()

    async def rest(self) -> bytes:
        """Return everything up to the end of the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self._reader.read(-1)
            except ConnectionError:
                return b""


@asynccontextmanager
async def connected(
    protocol: type[asyncio.Protocol] = HTTP,
) -> AsyncGenerator[Client]:
    """Yield a connection to a server with `protocol`."""
    config = uvicorn.Config(app, http=protocol, ws=Echo, lifespan="off", log_config=None)
    server = ServerBeside(config)
    listener = listening()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.ready.wait()
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        server.should_exit = True
        await serving


def post(body: bytes, path: str = "/") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "endless", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nX: y\r\n"]
)
async def test_a_head_that_does_not_end_is_refused(endless: bytes) -> None:
    async with connected() as client:
        await client.say(endless)
        await client.say(b"a" * (HEAD_BYTES + 1))

        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer
        assert b"urn:madang:problem:invalid-request" in answer


async def test_too_many_headers_are_refused() -> None:
    async with connected() as client:
        head = b"".join(b"x%d:\r\n" % number for number in range(100))
        await client.say(b"GET / HTTP/1.1\r\n" + head + b"\r\n")
        await client.expect(b"<0>")

        await client.say(b"GET / HTTP/1.1\r\n" + head + b"y:\r\n\r\n")

        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"A request may have at most 100 headers." in answer


async def test_a_body_in_too_many_parts_is_refused() -> None:
    begin = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with connected() as client:
        await client.say(begin + b"1\r\nx\r\n" * 4000 + b"0\r\n\r\n")
        await client.expect(b"<4000>")

        await client.say(begin + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n")

        assert b"parts" in await client.rest()


@pytest.mark.parametrize(
    "begun",
    [b"", b"\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n", post(b"hello")[:-1]],
)
async def test_an_incomplete_request_times_out(begun: bytes) -> None:
    async with connected() as client:
        await client.say(begun)

        assert await client.rest() == b""


async def test_sending_byte_by_byte_does_not_extend_the_timeout() -> None:
    async with connected() as client:
        dribbling = asyncio.create_task(_dribble(client))

        assert await client.rest() == b""

        dribbling.cancel()


async def _dribble(client: Client) -> None:
    for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * 1000:
        await client.say(bytes([byte]))
        await asyncio.sleep(SECONDS / 10)


async def test_a_request_may_have_a_body_larger_than_a_head() -> None:
    async with connected() as client:
        await client.say(post(b"x" * 10 * HEAD_BYTES))

        await client.expect(f"<{10 * HEAD_BYTES}>".encode())


async def test_the_timeout_restarts_for_each_request() -> None:
    async with connected() as client:
        for _ in range(HEAD_BYTES // 10):
            await client.say(post(b"hello"))
            await client.expect(b"<5>")

        await client.say(post(b"hello") * 3)
        for _ in range(3):
            await client.expect(b"<5>")


async def test_pipelined_requests_are_limited() -> None:
    async with connected() as client:
        await client.say(post(b"hello", "/slow") + post(b"hello") * 1000)

        answers = await client.rest()
        assert 2 <= answers.count(b"HTTP/1.1 200 ") <= 20
        assert b"400" not in answers
        assert answers.count(b"connection: close") == 1


async def test_reading_stops_while_pipelined_requests_wait() -> None:
    async with connected() as client:
        sending = asyncio.create_task(_say_for_ever(client, post(b"hello") * 100))

        assert (await client.rest()).count(b"HTTP/1.1 200 ") <= 20

        sending.cancel()


async def _say_for_ever(client: Client, data: bytes) -> None:
    while True:
        await client.say(data)
        await asyncio.sleep(0)


async def test_a_lost_connection_drops_its_pipelined_requests() -> None:
    known: list[HttpToolsProtocol] = []

    class Watched(HTTP):  # type: ignore[misc, valid-type]
        @override
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            known.append(self)

    async with connected(Watched) as client:
        await client.say(post(b"", "/slow") + post(b"") * 10)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (known and known[0].pipeline):  # noqa: ASYNC110 - uvicorn's own
                await asyncio.sleep(0.01)
        first = next(iter(known[0].tasks))
        client.vanish()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait({first})

    assert not known[0].pipeline


async def test_a_response_may_take_longer_than_the_request_timeout() -> None:
    async with connected() as client:
        await client.say(post(b"hello", "/slow"))

        await client.expect(b"<5>")


async def test_a_client_that_does_not_read_is_aborted() -> None:
    async with connected() as client:
        await client.say(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(6 * SECONDS)

        assert len(await client.rest()) < LARGE


async def test_a_slow_client_gets_the_whole_response() -> None:
    async with connected() as client:
        await client.say(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        taken = 0
        while taken < LARGE // 2:
            some = await client.some(LARGE)
            assert some
            taken += some
            await asyncio.sleep(SECONDS / 20)

        assert taken + len(await client.rest()) > LARGE


async def test_an_upgraded_connection_has_no_request_timeout() -> None:
    async with connected() as client:
        await client.say(b"GET /a?b HTTP/1.1\r\nConnection: Upgrade\r\nUPGRADE:websocket\r\n\r\n")
        headers = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
        await client.expect(f"GET /a?b HTTP/1.1 {headers}\r\n\r\n".encode())
        await asyncio.sleep(2 * SECONDS)

        await client.say(b"still here")

        await client.expect(b"still here")


async def test_a_connection_has_all_attributes_that_uvicorn_sets() -> None:
    known: list[dict[str, type]] = []
    for kind in (HTTP, HttpToolsProtocol):

        class Watched(kind):  # type: ignore[misc, valid-type]
            @override
            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                own = {"_request_timeout", "_slow_reader_timeout"}
                known.append({name: type(at) for name, at in vars(self).items() if name not in own})
                assert self.client == transport.get_extra_info("peername")
                assert self.server == transport.get_extra_info("sockname")

        async with connected(Watched) as client:
            await client.say(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await client.rest()).startswith(b"HTTP/1.1 200 ")

    assert known[0] == known[1]
