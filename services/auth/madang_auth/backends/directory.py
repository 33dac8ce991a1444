"""The user directory: the accounts in rooms, over REST."""

from typing import Any, TypeVar

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from madang_common.http.client import call
from madang_common.problems import Conflict, InvalidBody, NotFound, Problem, Unavailable

log = structlog.get_logger()


class _Response(BaseModel):
    # The text of an error may be logged and must not contain a hash.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class UserProfile(_Response):
    """A user, as other users see them."""

    id: str
    username: str
    display_name: str


class Account(UserProfile):
    """A user, as auth sees them."""

    password_hash: str = Field(repr=False)
    disabled: bool


T = TypeVar("T", bound=_Response)


class Directory:
    """Adds, finds and changes users; raises Unavailable if rooms does not answer."""

    def __init__(self, rooms: httpx.AsyncClient) -> None:
        """Send requests through `rooms`, which adds auth's service token."""
        self._rooms = rooms

    async def add(self, username: str, password_hash: str, display_name: str) -> UserProfile:
        """Add a user; raise Conflict if the username is taken."""
        body = {
            "username": username,
            "password_hash": password_hash,
            "display_name": display_name,
        }
        try:
            response = await self._call(
                "POST", "/internal/users", (Conflict, InvalidBody), json=body
            )
        except Conflict as conflict:
            raise Conflict("This username is taken.") from conflict
        return _read(UserProfile, response)

    async def by_username(self, username: str) -> Account | None:
        """Return the user by canonical username, or None."""
        return await self._find(f"/internal/users/by-username/{username}")

    async def by_id(self, user: str) -> Account | None:
        """Return the user by id, or None."""
        return await self._find(f"/internal/users/{user}")

    async def set_password(self, user: str, password_hash: str, *, instead_of: str) -> None:
        """Replace the user's password hash `instead_of`.

        Raise Conflict if the user has another hash, NotFound if there is no such user.
        """
        body = {"password_hash": password_hash, "instead_of": instead_of}
        path = f"/internal/users/{user}/password"
        try:
            await self._call("PUT", path, (Conflict, NotFound), json=body)
        except Conflict as conflict:
            raise Conflict("The password was changed by another request; try again.") from conflict

    async def set_disabled(self, user: str, *, disabled: bool) -> None:
        """Disable or enable the user; raise NotFound if there is no such user."""
        body = {"disabled": disabled}
        await self._call("PUT", f"/internal/users/{user}/disabled", (NotFound,), json=body)

    async def ping(self) -> None:
        """Return if rooms answers; raise Unavailable if not."""
        await call(self._rooms, "GET", "/health/live")

    async def _find(self, path: str) -> Account | None:
        try:
            response = await self._call("GET", path, (NotFound,))
        except NotFound:
            return None
        return _read(Account, response)

    async def _call(
        self, method: str, path: str, expected: tuple[type[Problem], ...], **options: Any
    ) -> httpx.Response:
        try:
            return await call(self._rooms, method, path, **options)
        except Problem as problem:
            if isinstance(problem, (*expected, Unavailable)):
                raise
            # For example a 401 to auth itself, which must not reach auth's client as its own.
            log.error("directory_refused", method=method, type=problem.type)  # noqa: TRY400 - no traceback for an expected problem
            raise Unavailable("The user directory does not answer; retry in a moment.") from problem


def _read(kind: type[T], response: httpx.Response) -> T:
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        log.exception("directory_answer_unreadable", kind=kind.__name__)
        raise Unavailable("The user directory does not answer; retry in a moment.") from error
