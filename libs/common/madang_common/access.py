"""The answer to "may this user read or write this room", as asked of rooms in batches."""

from collections.abc import Sequence

import httpx
from pydantic import BaseModel, ConfigDict, Field

from madang_common.events.kinds import Role
from madang_common.http.client import call
from madang_common.problems import Forbidden, NotAMember, NotFound

MOST_QUESTIONS = 500


class Question(BaseModel):
    """What may `user` do in `room`."""

    model_config = ConfigDict(frozen=True)

    user: str = Field(max_length=64)
    room: str = Field(max_length=64)


class Access(BaseModel):
    """What one user may do in one room."""

    model_config = ConfigDict(frozen=True)

    user: str
    room: str
    exists: bool
    role: Role | None
    """None for anyone who is not a member."""
    archived: bool

    def check_read(self) -> None:
        """Raise the problem to tell if the user may not read the room."""
        if not self.exists:
            raise NotFound("There is no such room.")
        if self.role is None:
            raise NotAMember("You are not a member of this room.")

    def check_write(self) -> None:
        """Raise the problem to tell if the user may not write to the room."""
        self.check_read()
        if self.archived:
            raise Forbidden("This room is archived.")


class Questions(BaseModel):
    """Body of `POST /internal/access`."""

    questions: list[Question] = Field(max_length=MOST_QUESTIONS)


class Answers(BaseModel):
    """Answer of `POST /internal/access`, in the questions' order."""

    answers: list[Access]


async def ask(client: httpx.AsyncClient, questions: Sequence[Question]) -> list[Access]:
    """Ask rooms; raise Unavailable if it does not answer."""
    body = Questions(questions=list(questions)).model_dump()
    answer = await call(client, "POST", "/internal/access", json=body)
    return Answers.model_validate_json(answer.content).answers
