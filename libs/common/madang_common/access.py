"""Room access: what users may do in rooms, requested from the rooms service in batches."""

from collections.abc import Sequence

import httpx
from pydantic import BaseModel, ConfigDict, Field

from madang_common.events.kinds import Role
from madang_common.http.client import call
from madang_common.problems import Forbidden, NotAMember, NotFound

MAX_QUERIES = 500
_JSON = {"Content-Type": "application/json"}


class AccessQuery(BaseModel):
    """A query for the access of `user` to `room`."""

    model_config = ConfigDict(frozen=True)

    user: str = Field(max_length=64)
    room: str = Field(max_length=64)


class Access(BaseModel):
    """The access of one user to one room."""

    model_config = ConfigDict(frozen=True)

    user: str
    room: str
    exists: bool
    role: Role | None
    """None if the user is not a member."""
    archived: bool

    def check_read(self) -> None:
        """Raise NotFound or NotAMember unless the user may read the room."""
        if not self.exists:
            raise NotFound("There is no such room.")
        if self.role is None:
            raise NotAMember("You are not a member of this room.")

    def check_write(self) -> None:
        """Raise NotFound, NotAMember or Forbidden unless the user may write to the room."""
        self.check_read()
        if self.archived:
            raise Forbidden("This room is archived.")


class AccessRequest(BaseModel):
    """Body of `POST /internal/access`."""

    questions: list[AccessQuery] = Field(max_length=MAX_QUERIES)


class AccessResponse(BaseModel):
    """Response of `POST /internal/access`, in the order of the queries."""

    answers: list[Access]


async def fetch_access(client: httpx.AsyncClient, queries: Sequence[AccessQuery]) -> list[Access]:
    """Return the access of each query; raise Unavailable if rooms does not answer."""
    body = AccessRequest(questions=list(queries)).model_dump_json()
    response = await call(client, "POST", "/internal/access", content=body, headers=_JSON)
    return AccessResponse.model_validate_json(response.content).answers
