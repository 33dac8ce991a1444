"""Errors as RFC 9457 problem details, the same for every service and for STOMP refusals.

Problem                   500  the service failed
├── InvalidRequest        400  the request is malformed
├── Unauthenticated       401  no token, or an invalid one
├── Forbidden             403  the user is known, but not allowed
│   ├── NotAMember        403  the user is not a member of the room
│   └── Banned            403  the user is banned from the room
├── NotFound              404  there is no such thing
├── Conflict              409  the current state does not allow it
│   ├── KeyConflict       409  the same key was used for another body
│   ├── DeletedMessage    409  the message was deleted
│   └── TooManyReactions  409  the message has no room for another reaction
├── Gone                  410  it existed and exists no longer
├── TooLarge              413  it exceeds a limit on its size
├── InvalidBody           422  well-formed, but a field is invalid
├── UpgradeRequired       426  this path is for WebSocket only
├── TooManyRequests       429  a rate limit or quota is exceeded; retry after `retry_after_seconds`
└── Unavailable           503  a dependency does not answer; try again
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
"""Most invalid fields that one response describes, which bounds its size."""


class Problem(Exception):  # noqa: N818 - the term of RFC 9457
    """An error for the client: a stable `type`, a status and a sentence."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_seconds: float | None = None,
        **members: Any,
    ) -> None:
        """Describe this occurrence in `detail`; `members` are extension members of RFC 9457."""
        super().__init__(detail or self.title)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.members = members

    @property
    def type(self) -> str:
        """A URI that names the kind of problem and never changes."""
        return f"urn:madang:problem:{self.slug}"

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers that go with this problem."""
        if self.retry_after_seconds is None:
            return {}
        return {"Retry-After": str(math.ceil(self.retry_after_seconds))}

    def document(self, **members: Any) -> dict[str, Any]:
        """Return the problem+json object, with `members` added."""
        document: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail:
            document["detail"] = self.detail
        if self.retry_after_seconds is not None:
            # For STOMP, where there is no Retry-After.
            document["retry_after_seconds"] = math.ceil(self.retry_after_seconds)
        return document | self.members | members


class InvalidRequest(Problem):
    status, slug, title = 400, "invalid-request", "Invalid request"


class Unauthenticated(Problem):
    status, slug, title = 401, "unauthenticated", "Log in first"

    @override
    def headers(self) -> dict[str, str]:
        """Add the challenge that RFC 9110 section 11.6.1 requires of a 401."""
        return super().headers() | {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    status, slug, title = 403, "forbidden", "Not allowed"


class NotAMember(Forbidden):
    slug, title = "not-a-member", "Only members of the room may do this"


class Banned(Forbidden):
    slug, title = "banned", "Banned from the room"


class NotFound(Problem):
    status, slug, title = 404, "not-found", "Not found"


class Conflict(Problem):
    status, slug, title = 409, "conflict", "The current state does not allow this"


class KeyConflict(Conflict):
    slug, title = "key-conflict", "This key was used for another message"


class DeletedMessage(Conflict):
    slug, title = "message-deleted", "The message was deleted"


class TooManyReactions(Conflict):
    slug, title = "too-many-reactions", "The message has too many reactions"


class Gone(Problem):
    status, slug, title = 410, "gone", "No longer available"


class TooLarge(Problem):
    status, slug, title = 413, "too-large", "Too large"


class InvalidBody(Problem):
    status, slug, title = 422, "invalid-body", "Invalid field"


class UpgradeRequired(Problem):
    status, slug, title = 426, "upgrade-required", "Upgrade to WebSocket required"

    @override
    def headers(self) -> dict[str, str]:
        """Add the protocol to upgrade to, which RFC 9110 section 15.5.22 requires."""
        return super().headers() | {"Upgrade": "websocket", "Connection": "Upgrade"}


class TooManyRequests(Problem):
    status, slug, title = 429, "too-many-requests", "Too many requests"


class Unavailable(Problem):
    status, slug, title = 503, "unavailable", "Temporarily unavailable"


def kinds(base: type[Problem] = Problem) -> Mapping[str, type[Problem]]:
    """Return the kinds by slug; a service's own subclass without one counts as its base."""
    found = {base.slug: base} if "slug" in vars(base) else {}
    for kind in base.__subclasses__():
        found |= kinds(kind)
    return found


def from_document(document: Mapping[str, Any], status: int) -> Problem:
    """Return the problem in another service's response, with its kind and its members."""
    known = kinds()
    by_status = {kind.status: kind for kind in reversed(list(known.values()))}
    slug = str(document.get("type", "")).rpartition(":")[2]
    kind = known.get(slug) or by_status.get(status) or Problem
    reserved = {"type", "title", "status", "detail", "instance"}
    members = {name: value for name, value in document.items() if name not in reserved}
    return kind(str(document.get("detail", "")), **members)
