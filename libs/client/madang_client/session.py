"""What a chat does with one connection, from CONNECTED to its end."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from madang_client.backoff import Backoff
from madang_client.connection import Connection
from madang_client.errors import (
    ConnectionLost,
    NotReachable,
    ProtocolError,
    Refused,
    TooManyRequests,
    Unavailable,
)
from madang_client.event import Event, parse_event
from madang_client.outbox import Outbox, Outgoing
from madang_client.problem import refusal
from madang_client.receipts import Receipts
from madang_client.settings import ChatSettings
from madang_client.stomp.frame import Frame
from madang_client.subscription import Subscription
from madang_client.task_group import race
from madang_client.token_refresher import TokenRefresher

ERRORS = "/user/queue/errors"
_ERRORS_NAME = "errors"
_TOKEN = "/app/token"  # noqa: S105 - a destination


class Session:
    """Subscribes, sends and renews on one connection, and hands out what arrives."""

    def __init__(
        self,
        connection: Connection,
        *,
        subscriptions: Collection[Subscription],
        outbox: Outbox,
        tokens: TokenRefresher,
        token: str,
        settings: ChatSettings,
        backoff: Callable[[], Backoff],
    ) -> None:
        self._connection = connection
        self._subscriptions = subscriptions
        self._outbox = outbox
        self._tokens = tokens
        self.token = token
        """The access token that the server knows this connection by."""
        self._settings = settings
        self._backoff = backoff
        self._retries = backoff()
        self._receipts = Receipts(settings.receipt_seconds)
        self._by_name: dict[str, Subscription] = {}
        self._names = 0
        self._stirred = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self._fault: asyncio.Future[None] = loop.create_future()
        self._now = loop.time

    async def run(self) -> None:
        """Work until the connection ends; raise why it did."""
        work = (self._read(), self._greet(), self._renew(), self._watch(), self._faults())
        try:
            await race(*work, self._connection.beat())
        finally:
            for subscription in self._subscriptions:
                subscription.name = None
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def flush(self) -> None:
        """Send what waits in the outbox, in its order."""
        self._later(self._flush())

    async def _flush(self) -> None:
        async with self._flushing:
            for message in self._outbox:
                if message in self._outbox and message.carrier is not self:
                    await self._write(self._send_frame(message))

    def subscribe(self, subscription: Subscription) -> None:
        """Ask for the events of `subscription`, from where it stands."""
        self._names += 1
        name = f"s{self._names}"
        self._by_name[name] = subscription
        receipt = self._expect(subscription.granted, partial(self._not_subscribed, subscription))
        frame = Frame("SUBSCRIBE", subscription.headers(name) | {"receipt": receipt})
        self._later(self._write(frame))

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ask for no more events of `subscription`."""
        name, subscription.name = subscription.name, None
        self._stirred.set()
        if name is not None and self._by_name.pop(name, None) is not None:
            self._later(self._write(Frame("UNSUBSCRIBE", {"id": name})))

    def taken(self, subscription: Subscription) -> None:
        """Go on with what was held up because `subscription` was full."""
        self._stirred.set()
        if subscription.name is None and not subscription.ended and subscription.is_nearly_empty:
            self.subscribe(subscription)

    async def _greet(self) -> None:
        # First the queue of refusals: without it a refused SEND would cost the connection.
        headers = {"id": _ERRORS_NAME, "destination": ERRORS, "ack": "auto"}
        await self._write(Frame("SUBSCRIBE", headers))
        for subscription in list(self._subscriptions):
            if subscription.name is None:
                self.subscribe(subscription)
        await self._flush()

    async def _read(self) -> None:
        while True:
            for frame in await self._connection.receive():
                await self._take(frame)

    async def _take(self, frame: Frame) -> None:
        if frame.command == "RECEIPT":
            self._receipts.granted(frame.headers.get("receipt-id", ""), frame)
        elif frame.command == "MESSAGE":
            name = frame.headers.get("subscription", "")
            subscription = self._by_name.get(name)
            if name == _ERRORS_NAME:
                self._refused(frame)
            elif subscription is not None:
                await self._hand_over(subscription, frame)
            # else it was on its way when the subscription was given up
        else:
            raise ProtocolError(f"not a frame of a server: {frame.command[:20]!r}")

    async def _hand_over(self, subscription: Subscription, frame: Frame) -> None:
        """Give the event to its reader, or stop reading until the reader has caught up.

        While somebody waits for a RECEIPT, reading must go on, for it may be the reader itself;
        then the subscription is set aside and resumed later.
        """
        try:
            event: Event = parse_event(frame.body, frame.headers)
            while subscription.is_full and not self._receipts and not subscription.ended:
                self._stirred.clear()
                await self._stirred.wait()
            if subscription.is_full:
                self.unsubscribe(subscription)
            else:
                subscription.put(event)
        except ProtocolError as error:
            subscription.end(error)

    def _refused(self, frame: Frame) -> None:
        problem = refusal(frame.body, retry_after=frame.headers.get("retry-after"))
        receipt = frame.headers.get("receipt-id") or problem.problem.get("receipt-id")
        if not self._receipts.refused(str(receipt), problem):
            # A subscription may end after it was granted: what it resumes from went away.
            subscription = self._by_name.get(str(problem.problem.get("subscription")))
            if subscription is not None:
                self._not_subscribed(subscription, problem)

    def _not_subscribed(self, subscription: Subscription, problem: Refused) -> None:
        if subscription.name is not None:
            self._by_name.pop(subscription.name, None)
        if isinstance(problem, Unavailable | TooManyRequests) and not subscription.ended:
            # Keeps its name meanwhile, so that nobody else subscribes it.
            self._later(self._subscribe_again(subscription, problem.retry_after_seconds))
        else:
            subscription.refused(problem)

    async def _subscribe_again(self, subscription: Subscription, at_least: float | None) -> None:
        await asyncio.sleep(self._retries.next_seconds(at_least))
        if not subscription.ended:
            self.subscribe(subscription)

    def _send_frame(self, message: Outgoing) -> Frame:
        receipt = self._expect(message.granted, partial(self._not_sent, message))
        return message.frame(receipt, self)

    def _not_sent(self, message: Outgoing, problem: Refused) -> None:
        if message.refused(problem):
            self._later(self._send_again(message, problem.retry_after_seconds))

    async def _send_again(self, message: Outgoing, at_least: float | None) -> None:
        await asyncio.sleep(self._retries.next_seconds(at_least))
        if message in self._outbox:
            await self._write(self._send_frame(message))

    async def _renew(self) -> None:
        backoff = self._backoff()
        while True:
            try:
                token = await self._tokens.replacement(self.token)
            except (NotReachable, Unavailable, TooManyRequests) as error:
                await asyncio.sleep(backoff.next_seconds(error.retry_after_seconds))
                continue
            await self._send_token(token)
            self.token = token
            backoff.reset()

    async def _send_token(self, token: str) -> None:
        taken: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

        def granted(frame: Frame) -> None:
            if not taken.done():
                taken.set_result(frame)

        def refused(problem: Refused) -> None:
            if not taken.done():
                taken.set_exception(ConnectionLost("the new token was refused", refusal=problem))

        headers = {"destination": _TOKEN, "content-type": "text/plain"}
        headers["receipt"] = self._expect(granted, refused)
        await self._write(Frame("SEND", headers, token.encode()))
        await taken

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._settings.receipt_seconds / 4))
            if self._receipts.overdue(self._now()):
                raise ConnectionLost("a RECEIPT did not come in time")

    def _expect(self, granted: Callable[[Frame], None], refused: Callable[[Refused], None]) -> str:
        self._stirred.set()
        return self._receipts.expect(self._now(), granted, refused)

    async def _write(self, frame: Frame) -> None:
        # The end of the connection is the reader's to tell.
        with suppress(ConnectionLost):
            await self._connection.send(frame)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._fault.done():
            self._fault.set_exception(error)

    async def _faults(self) -> None:
        await self._fault
