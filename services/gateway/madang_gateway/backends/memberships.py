"""Cache of the access that users have to rooms, valid until the log brings a change."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from madang_common.access import MAX_QUERIES, Access, AccessQuery
from madang_common.lru import Lru
from madang_common.problems import Problem, Unavailable

log = structlog.get_logger()

Ask = Callable[[Sequence[AccessQuery]], Awaitable[list[Access]]]

_ATTEMPTS = 5
_BATCH_SECONDS = 0.1
"""Longest time that questions are batched while a request is in flight."""


class Memberships:
    """Answers from the cache, or else asks the rooms service, in batches.

    Questions of one turn of the event loop are sent in one request, and so are those that come
    while a request is in flight: the slower the service, the larger the batches.

    An answer is asked for again if the log brought a change of its room while it was in flight,
    because it may be older than the change. Non-members are not cached: a user may join at any
    moment, and the log brings the event only after the rooms service replied to the user.
    """

    def __init__(self, ask: Ask, *, rooms: int) -> None:
        """Cache the members of up to `rooms` rooms."""
        self._ask = ask
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
        question = AccessQuery(user=user, room=room)
        answer = self._pending.get(question)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._pending[question] = loop.create_future()
            if not self._batch:
                self._scheduled = (
                    loop.call_later(_BATCH_SECONDS, self._send)
                    if self._requests
                    else loop.call_soon(self._send)
                )
            self._batch.append(question)
        return await asyncio.shield(answer)

    async def check_read(self, user: str, room: str) -> None:
        """Raise a Problem unless `user` may read `room`; the answer is current at the return."""
        while True:
            access = await self.get(user, room)
            access.check_read()
            # The log may have brought a change after the answer, before this task ran.
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
            changed.update(question.room for question in self._pending)

    def _send(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
        questions, self._batch = self._batch, []
        for start in range(0, len(questions), MAX_QUERIES):
            task = asyncio.create_task(self._resolve(questions[start : start + MAX_QUERIES]))
            self._requests.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        if self._batch and not self._requests:
            self._send()

    async def _resolve(self, questions: list[AccessQuery]) -> None:
        changed: set[str] = set()
        self._changed_rooms.append(changed)
        try:
            for _ in range(_ATTEMPTS):
                changed.clear()
                for access in await self._ask(questions):
                    if access.room not in changed:
                        self._answer(access)
                questions = [question for question in questions if question in self._pending]
                if not questions:
                    return
            self._refuse(questions, Unavailable("The room changes too fast; try again."))
        except Problem as problem:
            self._refuse(questions, problem)
        except Exception:
            log.exception("access_unusable", questions=len(questions))
        finally:
            self._changed_rooms.remove(changed)
            self._refuse(
                questions, Unavailable("Your access to the room cannot be checked now; try again.")
            )

    def _answer(self, access: Access) -> None:
        if access.role is not None:
            members = self._cache.get(access.room)
            if members is None:
                members = {}
                self._cache.put(access.room, members)
            members[access.user] = access
        answer = self._pending.pop(AccessQuery(user=access.user, room=access.room), None)
        if answer is not None:
            answer.set_result(access)

    def _refuse(self, questions: list[AccessQuery], problem: Problem) -> None:
        """Fail the questions that are still pending."""
        for question in questions:
            answer = self._pending.pop(question, None)
            if answer is not None:
                answer.set_exception(problem)
                answer.exception()  # mark it as retrieved: every caller may be gone
