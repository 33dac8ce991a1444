"""Sessions in Redis, for any number of processes.

`login:{id}` is the record of a session and is deleted with it. `user:{id}` lists the user's
sessions, with ended ones until the next session opens, and has the time of the last `end_others`.
Each of these keys is written on the condition that its value is unchanged. `ended` is the stream of
ended sessions.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from hmac import compare_digest
from typing import Any

import orjson
from typing_extensions import override

from madang_auth.sessions.port import (
    CUTOFF_KEPT_SECONDS,
    EndedPage,
    EndedSession,
    Lifetimes,
    Opened,
    Reused,
    Rotation,
    Session,
    SessionStore,
    Successor,
)
from madang_auth.sessions.refresh_tokens import TokenHashes
from madang_auth.sessions.rotation import Record, decide, new_record
from madang_auth.storage.redis import Entries, RedisAdapter, RedisStore, Write

_STREAM = "ended"
_START = "0-0"
"""Before the first entry."""
_ENTRY = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")
_BYTES = ("family", "current", "previous", "nonce")


@dataclass(frozen=True, slots=True)
class _Owner:
    """The value of `user:{id}`."""

    sessions: tuple[str, ...] = ()
    ended_at: float | None = None
    """Time of the last `end_others`."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The record of a session, and the value it was read from."""

    record: Record
    value: bytes

    def deletion(self) -> Write:
        return Write(_session_key(self.record.session.id), self.value, None)

    def ended(self, now: float) -> EndedSession:
        return EndedSession(self.record.session.user, self.record.session.id, now)


class RedisSessionStore(RedisAdapter, SessionStore):
    """The store that replicas share."""

    def __init__(self, store: RedisStore, lifetimes: Lifetimes) -> None:
        super().__init__(store)
        self._lifetimes = lifetimes

    @override
    async def open(
        self, session: Session, token: TokenHashes, *, began_at: float, most: int
    ) -> Opened | None:
        return await self._store.step(partial(self._open, session, token, began_at, most))

    async def _open(
        self, session: Session, token: TokenHashes, began_at: float, most: int
    ) -> Opened | None:
        (value,) = await self._store.read(_user_key(session.user))
        owner = _load_owner(value)
        if owner.ended_at is not None and owner.ended_at >= began_at:
            return None
        now = session.created_at
        found = _last_used_first(await self._of(owner), now)
        kept, surplus = found[: most - 1], found[most - 1 :]
        ids = (session.id, *(one.record.session.id for one in kept))
        record = new_record(session, token, self._lifetimes)
        await self._store.write(
            self._put_owner(session.user, value, replace(owner, sessions=ids)),
            *(one.deletion() for one in surplus),
            _put(record, None, now),
            entries=self._entries(one.ended(now) for one in surplus),
        )
        return Opened(tuple(one.record.session for one in surplus))

    @override
    async def rotate(self, presented: TokenHashes, successor: Successor, *, now: float) -> Rotation:
        return await self._store.step(partial(self._rotate, presented, successor, now))

    async def _rotate(self, presented: TokenHashes, successor: Successor, now: float) -> Rotation:
        found = await self._find(presented.session)
        record = None if found is None else found.record
        result, after = decide(record, presented, successor, now=now, lifetimes=self._lifetimes)
        if found is not None and isinstance(result, Reused):
            await self._store.write(found.deletion(), entries=self._entries([found.ended(now)]))
        elif found is not None and after is not None and after is not record:
            await self._store.write(_put(after, found.value, now))
        return result

    @override
    async def get(self, session: str, *, now: float) -> Session | None:
        found = await self._find(session)
        return None if found is None or found.record.expires_at <= now else found.record.session

    @override
    async def list_of_user(self, user: str, *, now: float) -> list[Session]:
        (value,) = await self._store.read(_user_key(user))
        found = await self._of(_load_owner(value))
        return [one.record.session for one in _last_used_first(found, now)]

    @override
    async def end(self, session: str, *, user: str, now: float) -> Session | None:
        return await self._store.step(
            partial(self._end, session, lambda record: record.session.user == user, now)
        )

    @override
    async def end_by_token(self, token: TokenHashes, *, now: float) -> Session | None:
        return await self._store.step(
            partial(
                self._end,
                token.session,
                lambda record: compare_digest(record.family, token.family),
                now,
            )
        )

    async def _end(
        self, session: str, matches: Callable[[Record], bool], now: float
    ) -> Session | None:
        found = await self._find(session)
        if found is None or not matches(found.record):
            return None
        await self._store.write(found.deletion(), entries=self._entries([found.ended(now)]))
        return found.record.session

    @override
    async def end_others(self, user: str, *, keep: str | None, now: float) -> list[Session]:
        return await self._store.step(partial(self._end_others, user, keep, now))

    async def _end_others(self, user: str, keep: str | None, now: float) -> list[Session]:
        (value,) = await self._store.read(_user_key(user))
        owner = _load_owner(value)
        found = [one for one in await self._of(owner) if one.record.session.id != keep]
        left = _Owner(
            sessions=tuple(session for session in owner.sessions if session == keep),
            ended_at=max(now, owner.ended_at or now),
        )
        await self._store.write(
            self._put_owner(user, value, left),
            *(one.deletion() for one in found),
            entries=self._entries(
                [EndedSession(user, None, now, keep=keep), *(one.ended(now) for one in found)]
            ),
        )
        return [one.record.session for one in found]

    @override
    async def ended_after(self, cursor: str | None, *, limit: int) -> EndedPage:
        after = cursor if cursor is not None and _ENTRY.fullmatch(cursor) else _START
        entries = await self._store.entries_after(_STREAM, after, limit=limit)
        items = tuple(_load_ended(line) for _, line in entries)
        return EndedPage(items, cursor=entries[-1][0] if entries else after)

    async def _find(self, session: str) -> _Found | None:
        (value,) = await self._store.read(_session_key(session))
        return None if value is None else _Found(_load(value), value)

    async def _of(self, owner: _Owner) -> list[_Found]:
        values = await self._store.read(*map(_session_key, owner.sessions))
        return [_Found(_load(value), value) for value in values if value is not None]

    def _put_owner(self, user: str, found: bytes | None, owner: _Owner) -> Write:
        # No session outlives this: the latest of them is opened now.
        seconds = max(self._lifetimes.absolute, CUTOFF_KEPT_SECONDS)
        value = orjson.dumps({"logins": owner.sessions, "ended_at": owner.ended_at})
        return Write(_user_key(user), found, value, seconds)

    def _entries(self, ended: Iterable[EndedSession]) -> Entries:
        return Entries(_STREAM, list(map(_dump_ended, ended)), self._lifetimes.ended_kept)


def _session_key(session: str) -> str:
    return f"login:{session}"


def _user_key(user: str) -> str:
    return f"user:{user}"


def _load_owner(value: bytes | None) -> _Owner:
    if value is None:
        return _Owner()
    fields = orjson.loads(value)
    return _Owner(tuple(fields["logins"]), fields["ended_at"])


def _last_used_first(found: Iterable[_Found], now: float) -> list[_Found]:
    """Return those that are open, the last used first."""
    open_ones = [one for one in found if one.record.expires_at > now]
    return sorted(
        open_ones,
        key=lambda one: (one.record.session.last_used_at, one.record.session.id),
        reverse=True,
    )


def _put(record: Record, found: bytes | None, now: float) -> Write:
    fields = asdict(record)
    fields["login"] = fields.pop("session")
    for name in _BYTES:
        if fields[name] is not None:
            fields[name] = b64encode(fields[name]).decode()
    value = orjson.dumps(fields)
    return Write(_session_key(record.session.id), found, value, record.expires_at - now)


def _load(value: bytes) -> Record:
    fields: dict[str, Any] = orjson.loads(value)
    for name in _BYTES:
        if fields[name] is not None:
            fields[name] = b64decode(fields[name])
    return Record(session=Session(**fields.pop("login")), **fields)


def _dump_ended(ended: EndedSession) -> bytes:
    fields = asdict(ended)
    fields["login"] = fields.pop("session")
    return orjson.dumps(fields)


def _load_ended(line: bytes) -> EndedSession:
    fields = orjson.loads(line)
    return EndedSession(session=fields.pop("login"), **fields)
