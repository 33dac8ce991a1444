"""Access checks for the other services: whether a user may read or write a room."""

from collections.abc import Sequence

from madang_common.access import Access, AccessQuery
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitOfWorkRunner, read_transaction


class AccessChecker:
    """Answers from the database, so that a committed change shows in the next answer."""

    def __init__(self, units: UnitOfWorkRunner) -> None:
        self.units = units

    @read_transaction
    async def check(self, unit: UnitOfWork, questions: Sequence[AccessQuery]) -> list[Access]:
        """Return one answer per question, in order, from one SQL statement."""
        if not questions:
            return []
        pairs = {(question.room, question.user) for question in questions}
        archived, roles = await unit.memberships.find_access(pairs)
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
