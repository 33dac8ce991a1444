"""Fake of the REST interface that the client uses, with faults on demand."""

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx

from libs.client.tests.fakes.stomp_server import StompServer

Answer = tuple[int, Any]


def problem(slug: str, status: int, title: str = "No", **members: Any) -> dict[str, Any]:
    """Return a problem document."""
    return {
        "type": f"urn:madang:problem:{slug}",
        "title": title,
        "status": status,
    } | members


class RestServer:
    """Answers requests; shares the rooms' events with the fake STOMP server."""

    def __init__(self, stomp: StompServer | None = None) -> None:
        self.stomp = stomp or StompServer()
        self.passwords: dict[str, str] = {}
        self.rooms: dict[str, dict[str, Any]] = {}
        self.members: dict[str, list[str]] = {}
        self.present: dict[str, list[str]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        """Messages of the rooms in their present state."""
        self.invited: dict[str, list[str]] = {}
        """Rooms that users are invited to."""
        self.blocked: dict[str, list[str]] = {}
        self.hidden: set[tuple[str, str]] = set()
        self.refresh_tokens: dict[str, str] = {}
        self.expires_in = 300.0
        self.refreshes = 0
        self.faults: list[Callable[[httpx.Request], httpx.Response]] = []
        self.page_size = 100
        self._numbers = itertools.count(1)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        if self.faults:
            return self.faults.pop(0)(request)
        status, document = self._answer(request)
        if status == 204:
            return httpx.Response(204)
        kind = "application/problem+json" if status >= 400 else "application/json"
        return httpx.Response(status, content=json.dumps(document), headers={"Content-Type": kind})

    def add_user(self, username: str) -> dict[str, Any]:
        """Register a user and return the tokens of a login."""
        self.passwords[username] = "correct horse"
        return self.tokens(username)

    def add_room(self, name: str, *members: str, visibility: str = "private") -> str:
        """Create a room, owned by the first of `members`, and return its id."""
        room = f"room{next(self._numbers)}"
        self.rooms[room] = {"id": room, "name": name, "visibility": visibility}
        self.members[room] = list(members)
        return room

    def tokens(self, username: str) -> dict[str, Any]:
        """Return a new pair for a user."""
        number = next(self._numbers)
        claims = {"sub": f"id-{username}", "username": username, "name": username.title()}
        payload = base64.urlsafe_b64encode(json.dumps(claims | {"jti": number}).encode())
        refresh = f"refresh-{number}"
        self.refresh_tokens[refresh] = username
        return {
            "access_token": f"e30.{payload.decode().rstrip('=')}.{number}",
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": refresh,
        }

    def _answer(self, request: httpx.Request) -> Answer:  # noqa: PLR0911 - one for each call
        body = json.loads(request.content) if request.content else {}
        method, parts = request.method, request.url.path.strip("/").split("/")[1:]
        if parts[0] == "auth":
            return self._auth(parts[2], body)
        user = self._user(request)
        if user is None:
            return 401, problem("unauthenticated", 401, "Log in first")
        match (method, *parts):
            case ("GET", "rooms", "v1", "rooms"):
                everything = request.url.params.get("hidden") == "true"
                mine = self._mine(user, hidden=everything)
                return self._page(request, [self._shown(room, user) for room in mine])
            case (_, "rooms", "v1", "invites" | "blocks" | "users" | "direct" as noun, *rest):
                return self._person(request, noun, rest, user)
            case ("GET", "rooms", "v1", "rooms", "public"):
                public = [room for room, r in self.rooms.items() if r["visibility"] == "public"]
                found = [r for r in public if request.url.params["query"] in self.rooms[r]["name"]]
                return self._page(request, [self._shown(room, user) for room in found])
            case ("POST", "rooms", "v1", "rooms"):
                room = self.add_room(body["name"], user, visibility=body["visibility"])
                return 201, self._shown(room, user)
            case ("GET", "history", "v1", "rooms", room, *rest) if room in self.rooms:
                return self._history(request, room, user, rest)
            case ("GET", "gateway", "v1", "rooms", room, "presence") if room in self.rooms:
                return self._presence(request, room, user)
            case (_, "rooms", "v1", "rooms", room, *action) if room in self.rooms:
                return self._room(request, room, action, user)
        return 404, problem("not-found", 404, "Not found")

    def _person(  # noqa: PLR0911 - one for each call
        self, request: httpx.Request, noun: str, rest: list[str], user: str
    ) -> Answer:
        """Answer requests about users, direct rooms, invites and blocks."""
        invited, blocked = self.invited.setdefault(user, []), self.blocked.setdefault(user, [])
        match (request.method, noun, *rest):
            case ("GET", "users"):
                prefix = request.url.params["prefix"]
                found = sorted(name for name in self.passwords if name.startswith(prefix))
                return self._page(request, [_user(name) for name in found])
            case ("POST", "direct"):
                other = json.loads(request.content)["user"].removeprefix("id-")
                room = self.add_room(other, user, other, visibility="direct")
                return 201, self._shown(room, user)
            case ("GET", "invites"):
                rows = [
                    {"code": f"code-{room}", "room": self.rooms[room]}
                    | {"by": _user(self.members[room][0]), "expires_at": "2026-01-09T00:00:00Z"}
                    for room in invited
                ]
                return self._page(request, rows)
            case ("POST", "invites", code, "accept"):
                return self._enter(code.removeprefix("code-"), user, invited=True)
            case ("POST", "invites", code, "decline"):
                invited.remove(code.removeprefix("code-"))
                return 204, None
            case ("GET", "blocks"):
                return self._page(request, [{"user": _user(name)} for name in blocked])
            case ("PUT", "blocks", other):
                blocked.append(other.removeprefix("id-"))
                return 201, {"user": _user(blocked[-1])}
            case ("DELETE", "blocks", other):
                blocked.remove(other.removeprefix("id-"))
                return 204, None
        return 404, problem("not-found", 404)

    def _auth(self, action: str, body: dict[str, Any]) -> Answer:  # noqa: PLR0911 - as above
        name = body.get("username", "")
        match action:
            case "register" if name in self.passwords:
                return 409, problem("conflict", 409, detail="the username is taken")
            case "register":
                self.passwords[name] = body["password"]
                shown = body.get("display_name") or name
                return 201, {"id": f"id-{name}", "username": name, "display_name": shown}
            case "login" if self.passwords.get(name) != body["password"]:
                return 401, problem("unauthenticated", 401, "Wrong username or password")
            case "login":
                return 200, self.tokens(name)
            case "refresh":
                self.refreshes += 1
                owner = self.refresh_tokens.pop(body["refresh_token"], None)
                if owner is None:
                    return 401, problem("unauthenticated", 401, "Log in again")
                return 200, self.tokens(owner)
            case "logout":
                self.refresh_tokens.pop(body["refresh_token"], None)
                return 204, None
        return 404, problem("not-found", 404)

    def _room(  # noqa: PLR0911 - one for each call
        self, request: httpx.Request, room: str, action: list[str], user: str
    ) -> Answer:
        if action == ["join"]:
            return self._enter(room, user, invited=self.rooms[room]["visibility"] == "public")
        if user not in self.members[room]:
            return 403, problem("not-a-member", 403, "Only members of the room may do this")
        match (request.method, *action):
            case ("GET",):
                return 200, self._shown(room, user)
            case ("PUT" | "DELETE" as method, "hidden"):
                (self.hidden.add if method == "PUT" else self.hidden.discard)((room, user))
                return 204, None
            case ("POST", "invites"):
                expires = "2026-01-09T00:00:00Z"
                return 201, {"code": f"code-{room}", "expires_at": expires, "uses_left": 1}
            case ("GET", "members"):
                items = [
                    {
                        "user": _user(name),
                        "role": "owner" if not index else "member",
                    }
                    for index, name in enumerate(self.members[room])
                ]
                return self._page(request, items)
        return 404, problem("not-found", 404)

    def _history(self, request: httpx.Request, room: str, user: str, rest: list[str]) -> Answer:
        if user not in self.members[room]:
            return 403, problem("not-a-member", 403, "Only members of the room may do this")
        match rest:
            case ["events"]:
                stored = self.stomp.events.get(room, [])
            case ["messages"]:
                stored = self.messages.get(room, [])
            case [_, message]:
                found = [each for each in self.messages.get(room, []) if each["id"] == message]
                return (200, found[0]) if found else (404, problem("not-found", 404))
        before = request.url.params.get("before", "~")
        limit = int(request.url.params["limit"])
        older = [item for item in stored if item["id"] < before]
        items = older[-limit:]
        more = items[0]["id"] if len(older) > limit else None
        return 200, {"items": items, "before": more, "after": items[-1]["id"] if items else None}

    def _presence(self, request: httpx.Request, room: str, user: str) -> Answer:
        if user not in self.members[room]:
            return 403, problem("not-a-member", 403, "Only members of the room may do this")
        people = self.present.get(room, [])
        items = [{"user": f"id-{name}", "name": name.title()} for name in people]
        status, page = self._page(request, items)
        return status, page | {"count": len(items), "at": "2026-01-02T03:04:05.678Z"}

    def _enter(self, room: str, user: str, *, invited: bool) -> Answer:
        if room not in self.rooms:
            return 404, problem("not-found", 404, "Not found")
        if not invited:
            return 403, problem("forbidden", 403, "Not allowed")
        if user not in self.members[room]:
            self.members[room].append(user)
        return 200, self._shown(room, user)

    def _user(self, request: httpx.Request) -> str | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            return None
        return str(claims["username"])

    def _mine(self, user: str, *, hidden: bool) -> list[str]:
        mine = [room for room, members in self.members.items() if user in members]
        return [room for room in mine if hidden or (room, user) not in self.hidden]

    def _shown(self, room: str, user: str) -> dict[str, Any]:
        members = self.members[room]
        role = None if user not in members else "owner" if members[0] == user else "member"
        return self.rooms[room] | {"role": role, "archived": False, "members": len(members)}

    def _page(self, request: httpx.Request, items: list[Any]) -> Answer:
        start = int(request.url.params.get("cursor", "0"))
        end = start + self.page_size
        return 200, {"items": items[start:end], "next": str(end) if end < len(items) else None}


def _user(name: str) -> dict[str, str]:
    return {"id": f"id-{name}", "username": name, "display_name": name.title()}
