"""One port for both fakes: `/ws` goes to the STOMP server, the rest to the REST server."""

import asyncio
from contextlib import suppress

import httpx

from libs.client.tests.fakes.rest_server import RestServer
from libs.client.tests.fakes.stomp_server import StompServer


class Proxy:
    """Forwards connections to the fakes."""

    def __init__(self, stomp: StompServer, rest: RestServer) -> None:
        self._stomp = stomp
        self._rest = rest
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /ws "):
                    await self._tunnel(head, reader, writer)
                else:
                    await self._answer(head, reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _answer(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        first, *lines = head.decode().strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(line.partition(":")[0], line.partition(":")[2].strip()) for line in lines]
        body = await reader.readexactly(int(dict(headers).get("Content-Length", "0")))
        request = httpx.Request(method, f"http://fake{target}", headers=headers, content=body)
        answer = self._rest.handle(request)
        answer.headers["Connection"] = "close"
        answer.headers["Content-Length"] = str(len(answer.content))
        lines = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + answer.content)
        await writer.drain()

    async def _tunnel(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._stomp.port)
        inner_writer.write(head)
        try:
            await asyncio.wait(
                [
                    asyncio.create_task(_pump(reader, inner_writer)),
                    asyncio.create_task(_pump(inner_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            inner_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
