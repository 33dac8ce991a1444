"""Who may do what where: rooms' answers, remembered until the log brings a change."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from madang_common.access import MAX_QUERIES, Access, AccessQuery
from madang_common.lru import Lru
from madang_common.problems import Problem, Unavailable

log = structlog.get_logger()

Ask = Callable[[Sequence[AccessQuery]], Awaitable[list[Access]]]

_ATTEMPTS = 5
_PATIENCE_SECONDS = 0.1
"""How long questions wait for the request before theirs to be answered, if it takes so long."""


class Memberships:
    """Answers from memory where it can; else asks rooms, as many questions at once as there are.

    Those of one turn of the event loop go out together, and so do those that come while rooms has
    yet to answer: the busier it is, the more go in one request, and the fewer requests it gets.

    An answer that was under way while the log brought a change of its room is not believed but
    asked for again: it may be from before the change. That somebody is no member is not remembered:
    they may join at any moment, and the log tells of it only after rooms told them.
    """

    def __init__(self, ask: Ask, *, rooms: int) -> None:
        """Ask with `ask`, and remember the members of up to `rooms` rooms."""
        self._ask = ask
        self._known: Lru[str, dict[str, Access]] = Lru(rooms)
        self._asking: dict[AccessQuery, asyncio.Future[Access]] = {}
        self._next: list[AccessQuery] = []
        self._changed: list[set[str]] = []
        """For each request under way, the rooms that changed since it was sent."""
        self._running: set[asyncio.Task[None]] = set()
        self._sending: asyncio.Handle | None = None
        """What will send the next ones, if there are any."""

    def known(self, user: str, room: str) -> Access | None:
        """Return what is remembered."""
        members = self._known.get(room)
        return None if members is None else members.get(user)

    async def get(self, user: str, room: str) -> Access:
        """Return what `user` may do in `room`; raise Unavailable if rooms does not answer."""
        known = self.known(user, room)
        if known is not None:
            return known
        question = AccessQuery(user=user, room=room)
        answer = self._asking.get(question)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._asking[question] = loop.create_future()
            if not self._next:
                self._sending = (
                    loop.call_later(_PATIENCE_SECONDS, self._send)
                    if self._running
                    else loop.call_soon(self._send)
                )
            self._next.append(question)
        return await asyncio.shield(answer)

    async def check_read(self, user: str, room: str) -> None:
        """Raise the Problem if `user` may not read `room`; the answer is current at the return."""
        while True:
            access = await self.get(user, room)
            access.check_read()
            # The log may have brought a change between the answer and this task's turn.
            if self.known(user, room) is access:
                return

    def changed(self, room: str) -> None:
        """Forget what is known of `room`."""
        self._known.discard(room)
        for changed in self._changed:
            changed.add(room)

    def forget(self) -> None:
        """Forget everything: changes may have been missed."""
        self._known.clear()
        for changed in self._changed:
            changed.update(question.room for question in self._asking)

    def _send(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        questions, self._next = self._next, []
        for start in range(0, len(questions), MAX_QUERIES):
            task = asyncio.create_task(self._resolve(questions[start : start + MAX_QUERIES]))
            self._running.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._next and not self._running:
            self._send()

    async def _resolve(self, questions: list[AccessQuery]) -> None:
        changed: set[str] = set()
        self._changed.append(changed)
        try:
            for _ in range(_ATTEMPTS):
                changed.clear()
                for access in await self._ask(questions):
                    if access.room not in changed:
                        self._answer(access)
                questions = [question for question in questions if question in self._asking]
                if not questions:
                    return
            self._refuse(questions, Unavailable("The room changes too fast; try again."))
        except Problem as problem:
            self._refuse(questions, problem)
        except Exception:
            log.exception("access_unusable", questions=len(questions))
        finally:
            self._changed.remove(changed)
            self._refuse(
                questions, Unavailable("Your access to the room cannot be checked now; try again.")
            )

    def _answer(self, access: Access) -> None:
        if access.role is not None:
            members = self._known.get(access.room)
            if members is None:
                members = {}
                self._known.put(access.room, members)
            members[access.user] = access
        answer = self._asking.pop(AccessQuery(user=access.user, room=access.room), None)
        if answer is not None:
            answer.set_result(access)

    def _refuse(self, questions: list[AccessQuery], problem: Problem) -> None:
        """Tell those who still wait."""
        for question in questions:
            answer = self._asking.pop(question, None)
            if answer is not None:
                answer.set_exception(problem)
                answer.exception()  # nobody may be left to retrieve it
