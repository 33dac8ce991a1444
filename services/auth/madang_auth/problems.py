"""Refusals that only auth knows.

Unauthenticated
├── WrongCredentials  401  no user has this name and this password
├── EndedLogin        401  the token's login has ended
└── InvalidClient     401  no service has this name and this secret
Forbidden
├── DisabledAccount   403
└── WrongPassword     403  the current password, asked for again, is another
"""

from typing_extensions import override

from madang_common.problems import Forbidden, Unauthenticated


class WrongCredentials(Unauthenticated):
    slug, title = "wrong-credentials", "Wrong username or password"


class EndedLogin(Unauthenticated):
    slug, title = "ended-login", "The login has ended; log in again"


class InvalidClient(Unauthenticated):
    slug, title = "invalid-client", "Unknown service or wrong secret"

    @override
    def headers(self) -> dict[str, str]:
        """Ask for what this endpoint takes: HTTP Basic."""
        return super().headers() | {"WWW-Authenticate": "Basic"}


class DisabledAccount(Forbidden):
    slug, title = "disabled-account", "This account is disabled"


class WrongPassword(Forbidden):
    slug, title = "wrong-password", "The current password is another"
