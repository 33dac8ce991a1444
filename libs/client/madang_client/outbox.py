"""Messages and changes of messages that have no RECEIPT yet."""

import asyncio
from collections.abc import Iterator

from madang_client.errors import MadangError, ProtocolError, Refused, TooManyRequests, Unavailable
from madang_client.stomp.frame import Frame


class PendingMessage:
    """A message or a change to send, with the same idempotency key each time."""

    def __init__(
        self, destination: str, body: bytes, key: str, *, attempts: int, retry: bool = False
    ) -> None:
        """Send `body` up to `attempts` times; with `retry` it may be stored already."""
        self.destination = destination
        self.body = body
        self.key = key
        self.sent_by: object | None = None
        """The session that sent it last."""
        self._retry = retry
        self._attempts = attempts
        self._done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def frame(self, receipt: str, session: object) -> Frame:
        """Return the SEND for `session`, marked as a retry unless it is the first."""
        headers = {
            "destination": self.destination,
            "content-type": "application/json",
            "key": self.key,
            "receipt": receipt,
        }
        if self._retry or self.sent_by is not None:
            headers["retry"] = "true"
        self.sent_by = session
        return Frame("SEND", headers, self.body)

    def granted(self, frame: Frame) -> None:
        """Set the result from the RECEIPT."""
        if self._done.done():
            return
        event_id = frame.headers.get("message-id")
        if event_id:
            self._done.set_result(event_id)
        else:
            self._done.set_exception(ProtocolError("the RECEIPT of a SEND has no message-id"))

    def refused(self, problem: Refused) -> bool:
        """Handle a refusal; return whether to retry.

        TooManyRequests is retried too: after an outage, all pending messages are sent at once.
        """
        self._attempts -= 1
        if isinstance(problem, Unavailable | TooManyRequests) and self._attempts > 0:
            return not self._done.done()
        self.fail(problem)
        return False

    def fail(self, error: MadangError) -> None:
        """Set `error` as the result."""
        if not self._done.done():
            self._done.set_exception(error)

    def abandon(self) -> None:
        """Cancel the result."""
        self._done.cancel()

    async def event_id(self) -> str:
        """Return the id of the stored event; raise the error if it was not stored."""
        return await self._done


class Outbox:
    """Pending messages in order, bounded in number."""

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._messages: dict[PendingMessage, None] = {}

    def __iter__(self) -> Iterator[PendingMessage]:
        return iter(list(self._messages))

    async def put(self, message: PendingMessage) -> None:
        """Wait for space and add `message`."""
        await self._slots.acquire()
        self._messages[message] = None

    def __contains__(self, message: PendingMessage) -> bool:
        return message in self._messages

    def remove(self, message: PendingMessage) -> None:
        """Remove `message`, stored or not."""
        del self._messages[message]
        self._slots.release()

    def fail(self, error: MadangError) -> None:
        """Set `error` as the result of all messages."""
        for message in self:
            message.fail(error)
