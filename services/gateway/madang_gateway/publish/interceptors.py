"""The checks that every send passes: size, token, rate limit, membership.

An interceptor refuses a send by raising a Problem. It returns an awaitable only if it must wait;
a check that need not wait costs no task and no turn of the event loop.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson
from typing_extensions import override

from madang_common.clock import Clock, MonotonicClock
from madang_common.problems import TooLarge, TooManyRequests, Unauthenticated
from madang_common.token_bucket import Bucket
from madang_common.tokens.claims import Claims
from madang_common.tokens.verifier import TokenVerifier, session_ended, token_expired
from madang_gateway.backends.memberships import Memberships
from madang_gateway.publish.command import SendCommand

_ESCAPED_BYTES = 6
"""Most bytes of JSON for one byte of text, as in `\\u0001`."""
_JSON_BYTES = 64
"""Most bytes of JSON around a text."""


class Interceptor(Protocol):
    """One check of a send."""

    def __call__(self, claims: Claims, command: SendCommand) -> Awaitable[None] | None:
        """Raise a Problem to refuse the send, now or when awaited."""
        ...


def too_large(limit_bytes: int) -> TooLarge:
    """Return the refusal of a message of more than `limit_bytes`."""
    return TooLarge(f"A message may have at most {limit_bytes} bytes, both as sent and as JSON.")


@dataclass(frozen=True, slots=True)
class SizeLimit(Interceptor):
    """The body has at most `limit_bytes`, as sent and as JSON."""

    limit_bytes: int

    @override
    def __call__(self, claims: Claims, command: SendCommand) -> None:
        limit = self.limit_bytes
        if command.size > limit or (
            # Subscribers receive JSON, in which a character may take six times as many bytes.
            command.size * _ESCAPED_BYTES > limit
            and len(orjson.dumps(command.data)) > limit + _JSON_BYTES
        ):
            raise too_large(limit)


@dataclass(frozen=True, slots=True)
class OwnToken(Interceptor):
    """A token in the SEND itself is valid and belongs to the same user."""

    verifier: TokenVerifier
    required: bool

    @override
    def __call__(self, claims: Claims, command: SendCommand) -> Awaitable[None] | None:
        if command.token is None:
            if self.required:
                raise Unauthenticated(
                    "Each SEND needs an Authorization header with an access token."
                )
            return None
        token_claims = self.verifier.verify_now(command.token)
        if token_claims is None:
            return self._verify(claims, command.token)
        check_same_user(claims, token_claims)
        return None

    async def _verify(self, claims: Claims, token: str) -> None:
        check_same_user(claims, await self.verifier.verify(token))


def check_same_user(claims: Claims, token_claims: Claims) -> None:
    """Raise Unauthenticated unless both claims have the same user."""
    if token_claims.subject != claims.subject:
        raise Unauthenticated("The token belongs to another user; send one of your own.")


@dataclass(frozen=True, slots=True)
class ActiveSession(Interceptor):
    """The token has not expired, and its session was not revoked."""

    verifier: TokenVerifier
    clock: Clock

    @override
    def __call__(self, claims: Claims, command: SendCommand) -> None:
        if claims.expires_at <= self.clock():
            raise token_expired()
        if not self.verifier.is_active(claims):
            raise session_ended()


@dataclass(frozen=True, slots=True)
class RateLimit(Interceptor):
    """The user stays within their rate limit, over all their connections to this gateway."""

    bucket: Callable[[str], Bucket]
    """Returns the token bucket of a user."""
    clock: MonotonicClock

    @override
    def __call__(self, claims: Claims, command: SendCommand) -> None:
        seconds = self.bucket(claims.subject).take(self.clock())
        if seconds:
            raise TooManyRequests("You send too fast; retry later.", retry_after_seconds=seconds)


@dataclass(frozen=True, slots=True)
class Membership(Interceptor):
    """The user may write to the room."""

    memberships: Memberships

    @override
    def __call__(self, claims: Claims, command: SendCommand) -> Awaitable[None] | None:
        access = self.memberships.known(claims.subject, command.room)
        if access is None:
            return self._fetch(claims.subject, command.room)
        access.check_write()
        return None

    async def _fetch(self, user: str, room: str) -> None:
        (await self.memberships.get(user, room)).check_write()


def intercept(
    interceptors: Sequence[Interceptor], claims: Claims, command: SendCommand
) -> Awaitable[None] | None:
    """Run `interceptors` in order; await the result unless it is None."""
    for index, interceptor in enumerate(interceptors):
        pending = interceptor(claims, command)
        if pending is not None:
            return _finish(pending, interceptors[index + 1 :], claims, command)
    return None


async def _finish(
    pending: Awaitable[None], rest: Sequence[Interceptor], claims: Claims, command: SendCommand
) -> None:
    await pending
    following = intercept(rest, claims, command)
    if following is not None:
        await following
