import asyncio
import socket
from contextlib import ExitStack
from typing import cast

import uvloop
from typing_extensions import override

from madang_common.listener import duplicates


def test_connections_that_come_at_once_are_accepted_in_a_few_turns_of_the_loop() -> None:
    turn, accepted = 0, []

    class Accepted(asyncio.Protocol):
        @override
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(turn)
            cast(asyncio.Transport, transport).abort()

    async def accept() -> None:
        nonlocal turn
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(Accepted, sock=one) for one in duplicates(listener)]
        while len(accepted) < len(waiting):
            turn += 1
            await asyncio.sleep(0)
        for serving in servers:
            serving.close()
            await serving.wait_closed()

    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener, ExitStack() as stack:
        address = listener.getsockname()
        waiting = [stack.enter_context(socket.create_connection(address)) for _ in range(200)]

        uvloop.run(asyncio.wait_for(accept(), 10))

    assert len(set(accepted)) <= 200 // 10
