"""One session of a chat: subscriptions, sends and token renewal on one connection."""

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
from madang_client.outbox import Outbox, PendingMessage
from madang_client.problem import refusal
from madang_client.receipts import Receipts
from madang_client.settings import ChatSettings
from madang_client.stomp.frame import Frame
from madang_client.subscription import Subscription
from madang_client.task_group import run_together
from madang_client.token_refresher import TokenRefresher

ERRORS = "/user/queue/errors"
_ERRORS_NAME = "errors"
_TOKEN = "/app/token"  # noqa: S105 - a destination


class Session:
    """Runs subscriptions, pending messages and token renewal on one connection."""

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
        """The access token that the server has for this connection."""
        self._settings = settings
        self._backoff = backoff
        self._retries = backoff()
        self._receipts = Receipts(settings.receipt_seconds)
        self._by_name: dict[str, Subscription] = {}
        self._names = 0
        self._progress = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self._task_failure: asyncio.Future[None] = loop.create_future()
        self._now = loop.time

    async def run(self) -> None:
        """Run until the connection ends; raise the reason."""
        work = (
            self._read(),
            self._start(),
            self._renew(),
            self._watch_receipts(),
            self._task_failures(),
        )
        try:
            await run_together(*work, self._connection.send_heartbeats())
        finally:
            for subscription in self._subscriptions:
                subscription.name = None
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def flush(self) -> None:
        """Send the pending messages in order."""
        self._start_task(self._flush())

    async def _flush(self) -> None:
        async with self._flushing:
            for message in self._outbox:
                if message in self._outbox and message.sent_by is not self:
                    await self._write(self._send_frame(message))

    def subscribe(self, subscription: Subscription) -> None:
        """Send SUBSCRIBE for `subscription`, from its position on."""
        self._names += 1
        name = f"s{self._names}"
        self._by_name[name] = subscription
        receipt = self._expect(subscription.granted, partial(self._not_subscribed, subscription))
        frame = Frame("SUBSCRIBE", subscription.headers(name) | {"receipt": receipt})
        self._start_task(self._write(frame))

    def unsubscribe(self, subscription: Subscription) -> None:
        """Send UNSUBSCRIBE for `subscription`."""
        name, subscription.name = subscription.name, None
        self._progress.set()
        if name is not None and self._by_name.pop(name, None) is not None:
            self._start_task(self._write(Frame("UNSUBSCRIBE", {"id": name})))

    def item_taken(self, subscription: Subscription) -> None:
        """Resume reading, or the subscription, after the reader took an item."""
        self._progress.set()
        if subscription.name is None and not subscription.ended and subscription.is_nearly_empty:
            self.subscribe(subscription)

    async def _start(self) -> None:
        # The error queue first: without it, a refused SEND would close the connection.
        headers = {"id": _ERRORS_NAME, "destination": ERRORS, "ack": "auto"}
        await self._write(Frame("SUBSCRIBE", headers))
        for subscription in list(self._subscriptions):
            if subscription.name is None:
                self.subscribe(subscription)
        await self._flush()

    async def _read(self) -> None:
        while True:
            for frame in await self._connection.receive():
                await self._dispatch(frame)

    async def _dispatch(self, frame: Frame) -> None:
        if frame.command == "RECEIPT":
            self._receipts.granted(frame.headers.get("receipt-id", ""), frame)
        elif frame.command == "MESSAGE":
            name = frame.headers.get("subscription", "")
            subscription = self._by_name.get(name)
            if name == _ERRORS_NAME:
                self._refused(frame)
            elif subscription is not None:
                await self._deliver(subscription, frame)
            # else it was in flight when the subscription ended
        else:
            raise ProtocolError(f"unexpected frame: {frame.command[:20]!r}")

    async def _deliver(self, subscription: Subscription, frame: Frame) -> None:
        """Queue the event for its reader, or stop reading until the reader has caught up.

        While a RECEIPT is pending, reading must continue, because the reader itself may wait for
        it; then the subscription is ended and resumed later.
        """
        try:
            event: Event = parse_event(frame.body, frame.headers)
            while subscription.is_full and not self._receipts and not subscription.ended:
                self._progress.clear()
                await self._progress.wait()
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
            # A subscription may fail after it was accepted, during its replay.
            subscription = self._by_name.get(str(problem.problem.get("subscription")))
            if subscription is not None:
                self._not_subscribed(subscription, problem)

    def _not_subscribed(self, subscription: Subscription, problem: Refused) -> None:
        if subscription.name is not None:
            self._by_name.pop(subscription.name, None)
        if isinstance(problem, Unavailable | TooManyRequests) and not subscription.ended:
            # It keeps its name meanwhile, which prevents a second SUBSCRIBE.
            self._start_task(self._subscribe_again(subscription, problem.retry_after_seconds))
        else:
            subscription.refused(problem)

    async def _subscribe_again(self, subscription: Subscription, at_least: float | None) -> None:
        await asyncio.sleep(self._retries.next_seconds(at_least))
        if not subscription.ended:
            self.subscribe(subscription)

    def _send_frame(self, message: PendingMessage) -> Frame:
        receipt = self._expect(message.granted, partial(self._not_sent, message))
        return message.frame(receipt, self)

    def _not_sent(self, message: PendingMessage, problem: Refused) -> None:
        if message.refused(problem):
            self._start_task(self._send_again(message, problem.retry_after_seconds))

    async def _send_again(self, message: PendingMessage, at_least: float | None) -> None:
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
        accepted: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

        def granted(frame: Frame) -> None:
            if not accepted.done():
                accepted.set_result(frame)

        def refused(problem: Refused) -> None:
            if not accepted.done():
                accepted.set_exception(ConnectionLost("the new token was refused", refusal=problem))

        headers = {"destination": _TOKEN, "content-type": "text/plain"}
        headers["receipt"] = self._expect(granted, refused)
        await self._write(Frame("SEND", headers, token.encode()))
        await accepted

    async def _watch_receipts(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._settings.receipt_seconds / 4))
            if self._receipts.overdue(self._now()):
                raise ConnectionLost("a RECEIPT timed out")

    def _expect(self, granted: Callable[[Frame], None], refused: Callable[[Refused], None]) -> str:
        self._progress.set()
        return self._receipts.expect(self._now(), granted, refused)

    async def _write(self, frame: Frame) -> None:
        # The reader raises the reason of the end.
        with suppress(ConnectionLost):
            await self._connection.send(frame)

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._task_failure.done():
            self._task_failure.set_exception(error)

    async def _task_failures(self) -> None:
        await self._task_failure
