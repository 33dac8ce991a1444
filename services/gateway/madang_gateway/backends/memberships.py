"""Cache of the access that users have to rooms, valid until the log brings a change."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from madang_common.access import MAX_QUERIES, Access, AccessQuery
from madang_common.lru import Lru
from madang_common.problems import Problem, Unavailable

log = structlog.get_logger()

FetchAccess = Callable[[Sequence[AccessQuery]], Awaitable[list[Access]]]

_ATTEMPTS = 5
_BATCH_SECONDS = 0.1
"""Longest time that queries are batched while a request is in flight."""


class Memberships:
    """Returns cached access, or requests it from the rooms service in batches.

    Queries of one turn of the event loop are sent in one request, and so are those that come while
    a request is in flight: the slower the service, the larger the batches.

    A query is repeated if the log brought a change of its room while the request was in flight,
    because the response may be older than the change. Non-members are not cached: a user may join
    at any moment, and the log brings the event only after the rooms service replied to the user.
    """

    def __init__(self, fetch: FetchAccess, *, rooms: int) -> None:
        """Cache the members of up to `rooms` rooms."""
        self._fetch = fetch
        self._cache: Lru[str, dict[str, Access]] = Lru(rooms)
        self._pending: dict[AccessQuery, asyncio.Future[Access]] = {}
        self._batch: list[AccessQuery] = []
        self._changed_rooms: list[set[str]] = []
        """For each request in flight, the rooms that changed since it was sent."""
        self._requests: set[asyncio.Task[None]] = set()
        self._scheduled: asyncio.Handle | None = None
        """The call that will send the next batch, if there is one."""

    def known(self, user: str, room: str) -> Access | None:
        """Return the cached access, or None."""
        members = self._cache.get(room)
        return None if members is None else members.get(user)

    async def get(self, user: str, room: str) -> Access:
        """Return the access of `user` to `room`; raises Unavailable if rooms does not answer."""
        known = self.known(user, room)
        if known is not None:
            return known
        query = AccessQuery(user=user, room=room)
        access = self._pending.get(query)
        if access is None:
            loop = asyncio.get_running_loop()
            access = self._pending[query] = loop.create_future()
            if not self._batch:
                self._scheduled = (
                    loop.call_later(_BATCH_SECONDS, self._send)
                    if self._requests
                    else loop.call_soon(self._send)
                )
            self._batch.append(query)
        return await asyncio.shield(access)

    async def check_read(self, user: str, room: str) -> None:
        """Raise a Problem unless `user` may read `room`; the result is current at the return."""
        while True:
            access = await self.get(user, room)
            access.check_read()
            # The log may have brought a change after the response, before this task ran.
            if self.known(user, room) is access:
                return

    def changed(self, room: str) -> None:
        """Drop the cached access to `room`."""
        self._cache.discard(room)
        for changed in self._changed_rooms:
            changed.add(room)

    def clear(self) -> None:
        """Drop the whole cache."""
        self._cache.clear()
        for changed in self._changed_rooms:
            changed.update(query.room for query in self._pending)

    def _send(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
        queries, self._batch = self._batch, []
        for start in range(0, len(queries), MAX_QUERIES):
            task = asyncio.create_task(self._resolve(queries[start : start + MAX_QUERIES]))
            self._requests.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        if self._batch and not self._requests:
            self._send()

    async def _resolve(self, queries: list[AccessQuery]) -> None:
        changed: set[str] = set()
        self._changed_rooms.append(changed)
        try:
            for _ in range(_ATTEMPTS):
                changed.clear()
                for access in await self._fetch(queries):
                    if access.room not in changed:
                        self._succeed(access)
                queries = [query for query in queries if query in self._pending]
                if not queries:
                    return
            self._fail(queries, Unavailable("The room changes too fast; try again."))
        except Problem as problem:
            self._fail(queries, problem)
        except Exception:
            log.exception("access_unusable", questions=len(queries))
        finally:
            self._changed_rooms.remove(changed)
            self._fail(
                queries, Unavailable("Your access to the room cannot be checked now; try again.")
            )

    def _succeed(self, access: Access) -> None:
        """Cache the access of a member, and complete the pending query."""
        if access.role is not None:
            members = self._cache.get(access.room)
            if members is None:
                members = {}
                self._cache.put(access.room, members)
            members[access.user] = access
        pending = self._pending.pop(AccessQuery(user=access.user, room=access.room), None)
        if pending is not None:
            pending.set_result(access)

    def _fail(self, queries: list[AccessQuery], problem: Problem) -> None:
        """Fail those of `queries` that are still pending."""
        for query in queries:
            pending = self._pending.pop(query, None)
            if pending is not None:
                pending.set_exception(problem)
                pending.exception()  # mark it as retrieved: every caller may be gone
