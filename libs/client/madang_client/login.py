"""The REST operations of a logged-in user."""

import random
import unicodedata
from collections.abc import AsyncIterator, Callable
from typing import Any

from madang_client.chat import Change, Chat
from madang_client.errors import ProtocolError, Unauthenticated
from madang_client.event import read_event
from madang_client.message import Message, read_message
from madang_client.page import Page, read_page
from madang_client.rest import AUTH, GATEWAY, HISTORY, ROOMS, Rest, segment
from madang_client.room import (
    Ban,
    Block,
    Invite,
    Member,
    Person,
    ReceivedInvite,
    Room,
    User,
    read_ban,
    read_block,
    read_invite,
    read_member,
    read_person,
    read_received_invite,
    read_room,
    read_user,
)
from madang_client.settings import ChatSettings
from madang_client.token_refresher import TokenRefresher
from madang_client.token_store import TokenStore
from madang_client.tokens import Tokens

_PAGE = 100


class Login:
    """One login at one server; renews its tokens as needed.

    Every call may raise NotReachable, Refused or LoggedOut.
    """

    def __init__(self, rest: Rest, refresher: TokenRefresher, store: TokenStore) -> None:
        self._rest = rest
        self._refresher = refresher
        self._store = store
        claims = refresher.tokens.claims
        self.user = str(claims.get("sub", ""))
        """The user's id."""
        self.username = str(claims.get("username", ""))
        self.name = str(claims.get("name", ""))
        """The display name when the last token was issued."""

    @property
    def tokens(self) -> Tokens:
        """The current tokens."""
        return self._refresher.tokens

    async def refresh(self) -> Tokens:
        """Renew the tokens now."""
        return await self._refresher.renew(self._refresher.tokens.access)

    async def logout(self) -> None:
        """End the login at the server and delete its tokens."""
        async with self._store.exclusive():
            body = {"refresh_token": self._refresher.tokens.refresh}
            await self._rest.call("POST", f"{AUTH}/logout", json=body)
            self._store.save(None)

    async def rooms(self, *, hidden: bool = False) -> AsyncIterator[Room]:
        """Yield the rooms that the user is a member of; with `hidden`, also those they hid."""
        params = {"hidden": "true"} if hidden else {}
        async for item in self._items(f"{ROOMS}/rooms", **params):
            yield read_room(item)

    async def public_rooms(self, query: str = "") -> AsyncIterator[Room]:
        """Yield the public rooms with `query` in their name."""
        async for item in self._items(f"{ROOMS}/rooms/public", query=query):
            yield read_room(item)

    async def room(self, room: str) -> Room:
        """Return one room by its id."""
        return read_room(await self._call("GET", f"{ROOMS}/rooms/{segment(room)}"))

    async def create_room(self, name: str, *, public: bool = False) -> Room:
        """Create a room that the user owns."""
        body = {"name": name, "visibility": "public" if public else "private"}
        return read_room(await self._call("POST", f"{ROOMS}/rooms", json=body))

    async def join(self, room: str) -> Room:
        """Join a public room."""
        return read_room(await self._call("POST", f"{ROOMS}/rooms/{segment(room)}/join"))

    async def leave(self, room: str) -> None:
        """Leave a room."""
        await self._call("POST", f"{ROOMS}/rooms/{segment(room)}/leave")

    async def direct(self, user: str) -> Room:
        """Return the direct room with the user with that id, and list it again if hidden."""
        return read_room(await self._call("POST", f"{ROOMS}/direct", json={"user": user}))

    async def hide(self, room: str) -> None:
        """Hide a direct room from the list of rooms until `direct` or `unhide`."""
        await self._call("PUT", f"{ROOMS}/rooms/{segment(room)}/hidden")

    async def unhide(self, room: str) -> None:
        """List a hidden direct room again."""
        await self._call("DELETE", f"{ROOMS}/rooms/{segment(room)}/hidden")

    async def find_user(self, username: str) -> User | None:
        """Return the user with that username in any spelling, or None."""
        # The server stores usernames as NFKC, case-folded.
        form = unicodedata.normalize("NFKC", username).casefold()
        params = {"prefix": form, "limit": 1}
        page = await self._call("GET", f"{ROOMS}/users", params=params)
        # Sorted by username, so an exact match is the first.
        found = [read_user(item) for item in page["items"]]
        return found[0] if found and found[0].username == form else None

    async def invite(self, room: str, user: str | None = None) -> Invite:
        """Create an invite with a code for anyone, or for the user with that id."""
        path = f"{ROOMS}/rooms/{segment(room)}/invites"
        body = {} if user is None else {"user": user}
        return read_invite(await self._call("POST", path, json=body))

    async def invites(self) -> AsyncIterator[ReceivedInvite]:
        """Yield the invites for this user, newest first."""
        async for item in self._items(f"{ROOMS}/invites"):
            yield read_received_invite(item)

    async def decline(self, code: str) -> None:
        """Decline an invite; the inviter is not notified."""
        await self._call("POST", f"{ROOMS}/invites/{segment(code)}/decline")

    async def block(self, user: str) -> Block:
        """Block invites and the direct room of the user with that id, who is not notified."""
        return read_block(await self._call("PUT", f"{ROOMS}/blocks/{segment(user)}"))

    async def unblock(self, user: str) -> None:
        """Remove the block of the user with that id."""
        await self._call("DELETE", f"{ROOMS}/blocks/{segment(user)}")

    async def blocks(self) -> AsyncIterator[Block]:
        """Yield the user's blocks."""
        async for item in self._items(f"{ROOMS}/blocks"):
            yield read_block(item)

    async def accept(self, code: str) -> Room:
        """Join the room of the invite with that code."""
        return read_room(await self._call("POST", f"{ROOMS}/invites/{segment(code)}/accept"))

    async def members(self, room: str) -> AsyncIterator[Member]:
        """Yield the members of a room."""
        async for item in self._items(f"{ROOMS}/rooms/{segment(room)}/members"):
            yield read_member(item)

    async def present(self, room: str) -> AsyncIterator[Person]:
        """Yield the people who are present in a room, ordered by id."""
        async for item in self._items(f"{GATEWAY}/rooms/{segment(room)}/presence"):
            yield read_person(item)

    async def remove(self, room: str, user: str) -> None:
        """Remove the user with that id from a room."""
        await self._call("DELETE", f"{ROOMS}/rooms/{segment(room)}/members/{segment(user)}")

    async def ban(
        self, room: str, user: str, *, reason: str | None = None, seconds: int | None = None
    ) -> Ban:
        """Ban the user with that id from a room, for `seconds` or until `unban`.

        A member is removed. Only users who may ban see the reason.
        """
        body = {"reason": reason, "expires_in_seconds": seconds}
        path = f"{ROOMS}/rooms/{segment(room)}/bans/{segment(user)}"
        return read_ban(await self._call("PUT", path, json=body))

    async def unban(self, room: str, user: str) -> None:
        """Lift the ban of the user with that id."""
        await self._call("DELETE", f"{ROOMS}/rooms/{segment(room)}/bans/{segment(user)}")

    async def bans(self, room: str) -> AsyncIterator[Ban]:
        """Yield the bans of a room."""
        async for item in self._items(f"{ROOMS}/rooms/{segment(room)}/bans"):
            yield read_ban(item)

    async def history(
        self,
        room: str,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
    ) -> Page:
        """Return the newest page of a room's events, or the one at a cursor of another page."""
        path = f"{HISTORY}/rooms/{segment(room)}/events"
        params = {"limit": limit, "before": before, "after": after}
        return read_page(await self._call("GET", path, params=params), read_event)

    async def messages(
        self,
        room: str,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
    ) -> Page[Message]:
        """Return a page of a room's messages in their present state, in order of creation.

        The newest page, or the one at a cursor of another page.
        """
        path = f"{HISTORY}/rooms/{segment(room)}/messages"
        params = {"limit": limit, "before": before, "after": after}
        return read_page(await self._call("GET", path, params=params), read_message)

    async def message(self, room: str, message: str) -> Message:
        """Return one message of a room in its present state."""
        path = f"{HISTORY}/rooms/{segment(room)}/messages/{segment(message)}"
        return read_message(await self._call("GET", path))

    def chat(
        self,
        *,
        settings: ChatSettings | None = None,
        on_change: Callable[[Change], None] = lambda _: None,
        url: str | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> Chat:
        """Return a chat for `async with`; `url` is the WebSocket's, if not the server's `/ws`."""
        return Chat(
            url or self._rest.chat_url,
            self._refresher,
            settings=settings,
            on_change=on_change,
            jitter=jitter,
        )

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        token = await self._refresher.token()
        try:
            return await self._rest.call(method, path, token=token, **options)
        except Unauthenticated:
            # The token was refused early, perhaps after a change of keys: renew it once.
            token = await self._refresher.token(unlike=token)
            return await self._rest.call(method, path, token=token, **options)

    async def _items(self, path: str, **params: str) -> AsyncIterator[Any]:
        cursor: str | None = None
        while True:
            given = {"limit": _PAGE, "cursor": cursor, **params}
            page = await self._call("GET", path, params=given)
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise ProtocolError("the server's response is not a list")
            for item in page["items"]:
                yield item
            cursor = page.get("next")
            if not cursor:
                return
