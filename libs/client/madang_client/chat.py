"""A chat: subscriptions and sends that survive reconnects."""

import asyncio
import random
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson

from madang_client import errors
from madang_client.backoff import Backoff
from madang_client.close_policy import CloseAction, close_action
from madang_client.connection import Connection
from madang_client.errors import Closed, ConnectionLost, LoggedOut, MadangError, NotReachable
from madang_client.outbox import Outbox, PendingMessage
from madang_client.session import Session
from madang_client.settings import ChatSettings
from madang_client.subscription import Subscription
from madang_client.token_refresher import TokenRefresher

EVENTS = "/user/queue/events"
ROOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOGIN_ENDED = 4410
_NOT_READY = (NotReachable, errors.Unavailable, errors.TooManyRequests)


@dataclass(frozen=True, slots=True)
class Connected:
    """The chat is connected."""

    again: bool
    """Whether it was connected before."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection was lost; the chat will reconnect."""

    reason: str
    again_in_seconds: float


Change = Connected | Lost


class Chat:
    """Use it in `async with`: entering connects, and raises if that fails.

    Afterwards it reconnects by itself, until it is closed or the server ends it for good; then all
    pending reads and sends raise the reason.
    """

    def __init__(
        self,
        url: str,
        tokens: TokenRefresher,
        *,
        settings: ChatSettings | None = None,
        on_change: Callable[[Change], None] = lambda _: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Use the WebSocket at `url`; `on_change` is called when the connection changes."""
        self._url = url
        self._tokens = tokens
        self._settings = settings or ChatSettings()
        self._on_change = on_change
        self._jitter = jitter
        self._backoff = self._new_backoff()
        self._outbox = Outbox(self._settings.unconfirmed_sends)
        self._subscriptions: dict[Subscription, None] = {}
        self._session: Session | None = None
        self._stale_token: str | None = None
        self._was_connected = False
        self._end: MadangError | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect; raise NotReachable, Refused, LoggedOut, … if that fails."""
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.personal = self._subscription(EVENTS, lossy=True)
        """Events of this user: invites, rooms joined and left. Drops the oldest if not read."""
        self._task = asyncio.create_task(self._run())
        try:
            await asyncio.shield(self._ready)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; unconfirmed sends fail with Closed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._finish(Closed("the chat was closed"))

    async def subscribe(self, room: str, since: str | None = None) -> Subscription:
        """Return a subscription to `room`: the events after the id `since`, then new ones.

        It returns when the server has accepted the subscription, so that no later event is missed.
        Raise Refused if the server refuses it.
        """
        return await self._open_subscription(
            self._subscription(f"/topic/rooms.{_checked_room_id(room)}", room, since)
        )

    async def live(self, room: str) -> Subscription:
        """Return a subscription to the live events of `room`: typing, read markers, presence.

        The server does not store notices or send them again, and the subscription drops the oldest
        if not read. After a reconnect, `Login.present` returns who is there. Raise Refused if the
        server refuses it.
        """
        self._check_open()
        return await self._open_subscription(
            self._subscription(f"/topic/rooms.{_checked_room_id(room)}.live", room, lossy=True)
        )

    async def send(
        self,
        room: str,
        text: str,
        *,
        type: str | None = None,  # noqa: A002 - the field's name
        meta: Mapping[str, Any] | None = None,
        reply_to: str | None = None,
        thread: str | None = None,
        key: str | None = None,
        retry: bool = False,
    ) -> str:
        """Send `text` to `room`; return the event's id, which is the message's, when it is stored.

        `type` and `meta` are the application's own. `reply_to` is the id of the message that this
        one answers, `thread` that of a message whose thread it belongs to.

        After a reconnect it is sent again with the same `key`, and stored once. Raise Refused if
        the server refuses it. To repeat a call that was cancelled, pass the same `key` and `retry`.
        """
        body = {"text": text, "type": type, "meta": meta, "reply_to": reply_to, "thread": thread}
        return await self._append(room, "send", body, key=key, retry=retry)

    async def reply(self, room: str, message: str, text: str) -> str:
        """Send `text` as an answer to the message with that id; otherwise as `send`."""
        return await self.send(room, text, reply_to=message)

    async def edit(
        self,
        room: str,
        message: str,
        text: str | None = None,
        *,
        meta: Mapping[str, Any] | None = None,
    ) -> str:
        """Change the text, the `meta` or both of one of the user's own messages.

        As all changes, it is repeated after a reconnect and stored once, and returns the id of its
        event. Raise MessageDeleted, Forbidden, NotFound, … if the server refuses it.
        """
        return await self._append(room, "edit", {"message": message, "text": text, "meta": meta})

    async def delete(self, room: str, message: str, *, reason: str | None = None) -> str:
        """Delete a message; its content is gone for good."""
        return await self._append(room, "delete", {"message": message, "reason": reason})

    async def react(self, room: str, message: str, emoji: str) -> str:
        """React to a message with one emoji; no error if the user did already."""
        return await self._append(room, "react", {"message": message, "emoji": emoji})

    async def unreact(self, room: str, message: str, emoji: str) -> str:
        """Take back a reaction; no error if there is none."""
        return await self._append(room, "unreact", {"message": message, "emoji": emoji})

    async def pin(self, room: str, message: str) -> str:
        """Pin a message to the room; for moderators and owners."""
        return await self._append(room, "pin", {"message": message})

    async def unpin(self, room: str, message: str) -> str:
        """Unpin a message; for moderators and owners."""
        return await self._append(room, "unpin", {"message": message})

    async def _append(
        self,
        room: str,
        action: str,
        fields: Mapping[str, Any],
        *,
        key: str | None = None,
        retry: bool = False,
    ) -> str:
        """Send the `fields` that are set; return the event's id when it is stored."""
        key = key or secrets.token_urlsafe(18)
        if "\0" in key:
            raise ValueError("a key cannot contain NUL")
        message = PendingMessage(
            f"/app/rooms.{_checked_room_id(room)}.{action}",
            orjson.dumps({name: value for name, value in fields.items() if value is not None}),
            key,
            attempts=self._settings.unavailable_attempts,
            retry=retry,
        )
        await self._outbox.put(message)
        try:
            self._check_open()
            if self._session is not None:
                self._session.flush()
            return await message.event_id()
        finally:
            message.abandon()
            self._outbox.remove(message)

    async def _open_subscription(self, subscription: Subscription) -> Subscription:
        if self._session is not None:
            self._session.subscribe(subscription)
        try:
            await subscription.wait_until_accepted()
        except BaseException:
            await subscription.close()
            raise
        return subscription

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._connect_once()
                except MadangError as error:
                    await self._wait_to_reconnect(error)
        except MadangError as error:
            self._finish(error)
        except asyncio.CancelledError:
            self._finish(Closed("the chat was closed"))
            raise
        except BaseException as error:
            self._finish(MadangError(f"internal error of the client: {error!r}"))
            raise

    async def _connect_once(self) -> None:
        token = await self._tokens.token(unlike=self._stale_token)
        connection = await self._open(token)
        started = asyncio.get_running_loop().time()
        session = self._session = Session(
            connection,
            subscriptions=self._subscriptions.keys(),
            outbox=self._outbox,
            tokens=self._tokens,
            token=token,
            settings=self._settings,
            backoff=self._new_backoff,
        )
        self._stale_token = None
        self._on_change(Connected(again=self._was_connected))
        self._was_connected = True
        if not self._ready.done():
            self._ready.set_result(None)
        try:
            await session.run()
        except ConnectionLost as error:
            if _action_after(error) is CloseAction.RENEW_TOKEN:
                self._stale_token = session.token
            raise
        except asyncio.CancelledError:
            await connection.close()
            raise
        finally:
            self._session = None
            await connection.abort()
            if asyncio.get_running_loop().time() - started >= self._settings.stable_seconds:
                self._backoff.reset()

    async def _open(self, token: str) -> Connection:
        try:
            return await Connection.open(self._url, token, self._settings)
        except (ConnectionLost, errors.Unauthenticated) as error:
            if self._stale_token is not None and _action_after(error) is CloseAction.RENEW_TOKEN:
                raise LoggedOut("the server does not accept this login") from error
            if _action_after(error) is CloseAction.RENEW_TOKEN:
                self._stale_token = token
            raise

    async def _wait_to_reconnect(self, error: MadangError) -> None:
        """Wait before the next attempt; raise the final error if the chat must not reconnect."""
        action = _action_after(error)
        if action is CloseAction.GIVE_UP:
            raise _final_error(error)
        if action is CloseAction.RECONNECT and not self._was_connected:
            raise error
        asked = getattr(error, "retry_after_seconds", None)
        at_least = min(asked or 0, self._settings.retry_after_cap_seconds)
        seconds = self._backoff.next_seconds(at_least)
        if self._was_connected:
            self._on_change(Lost(str(error), seconds))
        await asyncio.sleep(seconds)

    def _finish(self, error: MadangError) -> None:
        if self._end is not None:
            return
        self._end = error
        for subscription in list(self._subscriptions):
            subscription.end(error)
        self._outbox.fail(error)
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # retrieved: nothing may await it any more

    def _check_open(self) -> None:
        if self._end is not None:
            raise self._end
        if self._task is None:
            raise Closed("use the chat in `async with`")

    def _subscription(
        self,
        destination: str,
        room: str | None = None,
        since: str | None = None,
        *,
        lossy: bool = False,
    ) -> Subscription:
        if self._task is not None or not lossy:
            self._check_open()
        subscription = Subscription(
            destination,
            settings=self._settings,
            room=room,
            since=since,
            lossy=lossy,
            on_taken=self._taken,
            on_end=self._remove,
        )
        self._subscriptions[subscription] = None
        return subscription

    def _taken(self, subscription: Subscription) -> None:
        if self._session is not None:
            self._session.item_taken(subscription)

    def _remove(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription, None)
        if self._session is not None:
            self._session.unsubscribe(subscription)

    def _new_backoff(self) -> Backoff:
        settings = self._settings
        return Backoff(settings.backoff_base_seconds, settings.backoff_cap_seconds, self._jitter)


def _action_after(error: MadangError) -> CloseAction:
    if isinstance(error, ConnectionLost):
        return close_action(error.code, error.refusal.status if error.refusal else None)
    if isinstance(error, _NOT_READY):
        return CloseAction.RECONNECT
    if isinstance(error, errors.Unauthenticated):
        return CloseAction.RENEW_TOKEN
    return CloseAction.GIVE_UP


def _final_error(error: MadangError) -> MadangError:
    if not isinstance(error, ConnectionLost):
        return error
    if error.code == _LOGIN_ENDED:
        return LoggedOut("this session has ended; log in again")
    return error.refusal or errors.Disconnected(error.code, error.reason)


def _checked_room_id(room: str) -> str:
    if not ROOM_ID.fullmatch(room):
        raise ValueError(f"not a room id: {room!r:.80}")
    return room
