"""Rooms, members, presence, bans, invites and blocks, from REST responses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from madang_client.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class User:
    """A registered user."""

    id: str
    username: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Room:
    """A room, as one user sees it."""

    id: str
    name: str
    visibility: str
    """`public`, `private` or `direct`."""
    role: str | None
    """The role of this user; None if not a member."""
    archived: bool = False
    members: int | None = None
    hidden: bool = False
    """Whether this user hid this direct room."""
    peer: User | None = None
    """The other member of a direct room."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a room."""

    user: User
    role: str


@dataclass(frozen=True, slots=True)
class Person:
    """A user who is present in a room."""

    user: str
    """The user's id."""
    name: str
    """The display name."""


@dataclass(frozen=True, slots=True)
class Ban:
    """A ban of a user from a room."""

    user: User
    reason: str | None
    """Shown only to users who may ban."""
    expires_at: str | None
    """None for a ban without expiry."""


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite to a room."""

    code: str
    expires_at: str
    uses_left: int | None


@dataclass(frozen=True, slots=True)
class ReceivedInvite:
    """An invite for this user."""

    code: str
    room: str
    """The id of its room."""
    room_name: str
    by: User
    expires_at: str


@dataclass(frozen=True, slots=True)
class Block:
    """A blocked user, whose invites and direct room are not shown."""

    user: User
    created_at: str


def read_room(document: Any) -> Room:
    """Return the room in a response."""
    found = _mapping(document, "id", "name")
    return Room(
        id=str(found["id"]),
        name=str(found["name"]),
        visibility=str(found.get("visibility", "")),
        role=found.get("role"),
        archived=bool(found.get("archived")),
        members=found.get("members"),
        hidden=bool(found.get("hidden")),
        peer=read_user(found["peer"]) if found.get("peer") else None,
    )


def read_user(document: Any) -> User:
    """Return the user in a response."""
    found = _mapping(document, "id", "username")
    name = str(found.get("display_name") or found["username"])
    return User(id=str(found["id"]), username=str(found["username"]), display_name=name)


def read_member(document: Any) -> Member:
    """Return the member in a response."""
    found = _mapping(document, "user", "role")
    return Member(user=read_user(found["user"]), role=str(found["role"]))


def read_person(document: Any) -> Person:
    """Return the person in a response."""
    found = _mapping(document, "user", "name")
    return Person(user=str(found["user"]), name=str(found["name"]))


def read_ban(document: Any) -> Ban:
    """Return the ban in a response."""
    found = _mapping(document, "user")
    return Ban(
        user=read_user(found["user"]),
        reason=found.get("reason"),
        expires_at=found.get("expires_at"),
    )


def read_invite(document: Any) -> Invite:
    """Return the invite in a response."""
    found = _mapping(document, "code")
    return Invite(
        code=str(found["code"]),
        expires_at=str(found.get("expires_at", "")),
        uses_left=found.get("uses_left"),
    )


def read_received_invite(document: Any) -> ReceivedInvite:
    """Return the invite for this user in a response."""
    found = _mapping(document, "code", "room", "by")
    room = _mapping(found["room"], "id", "name")
    return ReceivedInvite(
        code=str(found["code"]),
        room=str(room["id"]),
        room_name=str(room["name"]),
        by=read_user(found["by"]),
        expires_at=str(found.get("expires_at", "")),
    )


def read_block(document: Any) -> Block:
    """Return the block in a response."""
    found = _mapping(document, "user")
    return Block(user=read_user(found["user"]), created_at=str(found.get("created_at", "")))


def _mapping(document: Any, *names: str) -> Mapping[str, Any]:
    if not isinstance(document, dict) or not all(name in document for name in names):
        raise ProtocolError(f"the server's response lacks one of {', '.join(names)}")
    return document
