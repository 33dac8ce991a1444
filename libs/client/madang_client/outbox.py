"""Messages that were given to send and have no RECEIPT yet."""

import asyncio
from collections.abc import Iterator

from madang_client.errors import MadangError, ProtocolError, Refused, TooManyRequests, Unavailable
from madang_client.stomp.frame import Frame


class Outgoing:
    """One message on its way, the same key each time it is sent."""

    def __init__(
        self, room: str, body: bytes, key: str, *, attempts: int, retry: bool = False
    ) -> None:
        """Send `body` up to `attempts` times; a `retry` may have been stored already."""
        self.room = room
        self.body = body
        self.key = key
        self.carrier: object | None = None
        """The session that sent it last."""
        self._retry = retry
        self._attempts = attempts
        self._done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def frame(self, receipt: str, carrier: object) -> Frame:
        """Return the SEND that `carrier` is about to make; it says so if it is not the first."""
        headers = {
            "destination": f"/app/rooms.{self.room}.send",
            "content-type": "application/json",
            "key": self.key,
            "receipt": receipt,
        }
        if self._retry or self.carrier is not None:
            headers["retry"] = "true"
        self.carrier = carrier
        return Frame("SEND", headers, self.body)

    def granted(self, frame: Frame) -> None:
        """Take the RECEIPT."""
        if self._done.done():
            return
        event_id = frame.headers.get("message-id")
        if event_id:
            self._done.set_result(event_id)
        else:
            self._done.set_exception(ProtocolError("the RECEIPT of a SEND has no message-id"))

    def refused(self, problem: Refused) -> bool:
        """Take the refusal; return whether to try again in a moment.

        What waited through an outage all goes at once, which may be faster than a user may send.
        """
        self._attempts -= 1
        if isinstance(problem, Unavailable | TooManyRequests) and self._attempts > 0:
            return not self._done.done()
        self.fail(problem)
        return False

    def fail(self, error: MadangError) -> None:
        """Give up."""
        if not self._done.done():
            self._done.set_exception(error)

    def abandon(self) -> None:
        """Wait no longer."""
        self._done.cancel()

    async def event_id(self) -> str:
        """Return the id of the stored event; raise why there is none."""
        return await self._done


class Outbox:
    """Bounded, in the order in which the messages were given."""

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._messages: dict[Outgoing, None] = {}

    def __iter__(self) -> Iterator[Outgoing]:
        return iter(list(self._messages))

    async def put(self, message: Outgoing) -> None:
        """Add `message`, as soon as there is room for one more."""
        await self._slots.acquire()
        self._messages[message] = None

    def __contains__(self, message: Outgoing) -> bool:
        return message in self._messages

    def remove(self, message: Outgoing) -> None:
        """Take `message` out, delivered or not."""
        del self._messages[message]
        self._slots.release()

    def fail(self, error: MadangError) -> None:
        """Give up on all of them."""
        for message in self:
            message.fail(error)
