"""Refusals that only auth knows.

Unauthenticated
├── WrongCredentials  401  no user has this name and this password
├── EndedLogin        401  the token's login has ended
└── InvalidClient     401  no service has this name and this secret
Forbidden
├── DisabledAccount   403
└── WrongPassword     403  the current password, asked for again, is wrong
"""

from typing import Any, ClassVar

from typing_extensions import override

from madang_common.problems import Forbidden, Problem, Unauthenticated


class _Told(Problem):
    """A problem whose detail is always the same sentence."""

    sentence: ClassVar[str] = ""

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail or self.sentence, **members)


class WrongCredentials(_Told, Unauthenticated):
    slug, title = "wrong-credentials", "Wrong username or password"
    sentence = "Wrong username or password. Check both and try again."


class EndedLogin(_Told, Unauthenticated):
    slug, title = "ended-login", "This login has ended"
    sentence = "This login has ended. Log in again."


class InvalidClient(_Told, Unauthenticated):
    slug, title = "invalid-client", "Unknown service or wrong secret"
    sentence = "Unknown service or wrong secret. Compare the settings of both services."

    @override
    def headers(self) -> dict[str, str]:
        """Ask for what this endpoint takes: HTTP Basic."""
        return super().headers() | {"WWW-Authenticate": "Basic"}


class DisabledAccount(_Told, Forbidden):
    slug, title = "disabled-account", "This account is disabled"
    sentence = "This account is disabled. Ask the operator of this server."


class WrongPassword(_Told, Forbidden):
    slug, title = "wrong-password", "The current password is wrong"
    sentence = "The current password is wrong. Check it and try again."
