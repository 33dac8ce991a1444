"""SEND and COMMIT: from a client's frame to the sender."""

from collections.abc import Callable, Sequence
from functools import partial

from madang_common.log.position import to_id
from madang_common.problems import Problem
from madang_common.tokens.claims import Claims
from madang_gateway.limits import budget
from madang_gateway.limits.budget import Account
from madang_gateway.protocol.destinations import room_of_send
from madang_gateway.protocol.stomp.events import Send
from madang_gateway.publish.command import read_send
from madang_gateway.publish.interceptors import too_large
from madang_gateway.publish.sender import Sender
from madang_gateway.session.frame_queue import Pending

Completed = Callable[[str | None, str, int | Problem | None], None]
"""Takes a SEND's receipt id, room and outcome: position, Problem, or None for a live event."""


class Commands:
    """Executes SEND and COMMIT frames."""

    def __init__(self, sender: Sender, *, message_bytes: int, with_aliases: bool) -> None:
        """Refuse bodies over `message_bytes`; accept the tutorials' destinations `with_aliases`."""
        self._sender = sender
        self.message_bytes = message_bytes
        self._with_aliases = with_aliases

    def send(self, claims: Claims, frame: Send, account: Account, completed: Completed) -> Pending:
        """Publish a SEND; await the result if there is one. `completed` is called exactly once."""
        try:
            if len(frame.body) > self.message_bytes:
                # Refused before it is parsed, which takes far longer than receiving it.
                raise too_large(self.message_bytes)
            command = read_send(frame, with_aliases=self._with_aliases)
        except Problem as problem:
            completed(frame.receipt, room_of_send(frame.destination), problem)
            return None
        if command is None:
            completed(frame.receipt, "", None)
            return None
        if command.token is not None:
            account.left -= budget.TOKEN
        outcome = partial(completed, frame.receipt, command.room)
        return self._sender.send(claims, command, outcome)

    async def commit(self, claims: Claims, sends: Sequence[Send], account: Account) -> None:
        """Publish the SENDs of a transaction; raise the Problem if one was refused."""
        if any(len(send.body) > self.message_bytes for send in sends):
            raise too_large(self.message_bytes)
        read = [read_send(send, with_aliases=self._with_aliases) for send in sends]
        commands = [command for command in read if command is not None]
        account.left -= budget.TOKEN * sum(command.token is not None for command in commands)
        await self._sender.send_together(claims, commands)

    def mark_read(self, claims: Claims, room: str, position: int) -> None:
        """Publish that the user has read `room` up to `position`."""
        self._sender.mark_read(claims, room, to_id(position))
