"""Access checks for the other services: whether a user may read or write a room."""

from collections.abc import Sequence

from madang_common.access import Access, AccessQuery
from madang_rooms.storage.queries.access import find_access
from madang_rooms.storage.unit_of_work import UnitOfWorkRunner


class AccessChecker:
    """Answers from the database, so that a committed change shows in the next answer."""

    def __init__(self, units: UnitOfWorkRunner) -> None:
        self.units = units

    async def check(self, questions: Sequence[AccessQuery]) -> list[Access]:
        """Return one answer per question, in order, from one SQL statement."""
        if not questions:
            return []
        pairs = {(question.room, question.user) for question in questions}
        archived, roles = await self.units.query(lambda connection: find_access(connection, pairs))
        return [
            Access(
                user=question.user,
                room=question.room,
                exists=question.room in archived,
                role=roles.get((question.room, question.user)),
                archived=archived.get(question.room, False),
            )
            for question in questions
        ]
