"""The answer to "may this user read or write this room", for the other services."""

from collections.abc import Sequence

from madang_common.access import Access, AccessQuery
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitsOfWork, reads


class AccessAnswers:
    """Answers from the database, so that a change shows with the next question."""

    def __init__(self, units: UnitsOfWork) -> None:
        self.units = units

    @reads
    async def answer(self, unit: UnitOfWork, questions: Sequence[AccessQuery]) -> list[Access]:
        """Return one answer a question, in their order, from one statement."""
        if not questions:
            return []
        pairs = {(question.room, question.user) for question in questions}
        archived, roles = await unit.memberships.standings(pairs)
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
