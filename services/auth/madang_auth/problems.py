"""Problems that only auth raises.

Unauthenticated
├── WrongCredentials  401  no user has this username and password
├── SessionEnded      401  the token's session has ended
└── InvalidClient     401  no service has this name and secret
Forbidden
├── DisabledAccount   403
└── WrongPassword     403  the current password, which a change of password requires, is wrong
"""

from typing import Any, ClassVar

from typing_extensions import override

from madang_common.problems import Forbidden, Problem, Unauthenticated


class _DefaultDetail(Problem):
    """A problem with a default for `detail`."""

    default: ClassVar[str] = ""

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail or self.default, **members)


class WrongCredentials(_DefaultDetail, Unauthenticated):
    slug, title = "wrong-credentials", "Wrong username or password"
    default = "Wrong username or password; check both and try again."


class SessionEnded(_DefaultDetail, Unauthenticated):
    slug, title = "ended-login", "Session ended"
    default = "This session has ended; log in again."


class InvalidClient(_DefaultDetail, Unauthenticated):
    slug, title = "invalid-client", "Unknown service or wrong secret"
    default = "Unknown service or wrong secret; compare the settings of both services."

    @override
    def headers(self) -> dict[str, str]:
        """Ask for HTTP Basic, which this endpoint accepts."""
        return super().headers() | {"WWW-Authenticate": "Basic"}


class DisabledAccount(_DefaultDetail, Forbidden):
    slug, title = "disabled-account", "This account is disabled"
    default = "This account is disabled; ask the operator of this server."


class WrongPassword(_DefaultDetail, Forbidden):
    slug, title = "wrong-password", "The current password is wrong"
    default = "The current password is wrong; check it and try again."
