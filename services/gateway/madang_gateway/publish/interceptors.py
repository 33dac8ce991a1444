"""What every send passes before it goes anywhere: size, token, rate, membership.

An interceptor raises the Problem with which it refuses. Where the answer is not at hand it
returns an awaitable; all that is at hand costs no task and no turn of the event loop.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson
from typing_extensions import override

from madang_common.clock import Clock
from madang_common.problems import TooLarge, TooManyRequests, Unauthenticated
from madang_common.token_bucket import Bucket
from madang_common.tokens.claims import Claims
from madang_common.tokens.verifier import TokenVerifier
from madang_gateway.backends.memberships import Memberships
from madang_gateway.publish.command import Command

_ESCAPED = 6
"""Bytes of JSON that one byte of text may take, as `\\u0001` does."""
_JSON_BYTES = 64
"""Bytes of JSON around a text."""


class Buckets(Protocol):
    """Each user's allowance of sends."""

    def bucket(self, user: str) -> Bucket:
        """Return the allowance of `user`."""
        ...


class Interceptor(Protocol):
    """One thing that a send must pass."""

    def __call__(self, who: Claims, outgoing: Command) -> Awaitable[None] | None:
        """Raise a Problem to refuse, now or when awaited."""
        ...


def too_large(limit_bytes: int) -> TooLarge:
    """Return the refusal of a message of more than `limit_bytes`."""
    return TooLarge(f"A message may have {limit_bytes} bytes, as sent and as JSON.")


@dataclass(frozen=True, slots=True)
class SizeLimit(Interceptor):
    """The body is not too large."""

    limit_bytes: int

    @override
    def __call__(self, who: Claims, outgoing: Command) -> None:
        limit = self.limit_bytes
        if outgoing.size > limit or (
            # As JSON a character takes up to six times as much, and that is what is delivered.
            outgoing.size * _ESCAPED > limit
            and len(orjson.dumps(outgoing.data)) > limit + _JSON_BYTES
        ):
            raise too_large(limit)


@dataclass(frozen=True, slots=True)
class OwnToken(Interceptor):
    """A token that comes with the send holds and is the same user's; it may be required."""

    verifier: TokenVerifier
    required: bool

    @override
    def __call__(self, who: Claims, outgoing: Command) -> Awaitable[None] | None:
        if outgoing.token is None:
            if self.required:
                raise Unauthenticated(
                    "Each SEND needs an Authorization header with an access token."
                )
            return None
        claims = self.verifier.verify_now(outgoing.token)
        if claims is None:
            return self._verify(who, outgoing.token)
        check_same_user(who, claims)
        return None

    async def _verify(self, who: Claims, token: str) -> None:
        check_same_user(who, await self.verifier.verify(token))


def check_same_user(who: Claims, claims: Claims) -> None:
    """Raise Unauthenticated unless a token with `claims` belongs to `who`."""
    if claims.subject != who.subject:
        raise Unauthenticated("The token is another user's; send one of your own.")


@dataclass(frozen=True, slots=True)
class LoginHolds(Interceptor):
    """The login goes on, and its token has not expired."""

    verifier: TokenVerifier
    now: Clock

    @override
    def __call__(self, who: Claims, outgoing: Command) -> None:
        if who.expires_at <= self.now():
            raise Unauthenticated("The token has expired. Refresh it, or log in again.")
        if not self.verifier.is_active(who):
            raise Unauthenticated("This login was ended. Log in again.")


@dataclass(frozen=True, slots=True)
class RateLimit(Interceptor):
    """The user does not send too fast, over all their connections here."""

    buckets: Buckets
    clock: Clock

    @override
    def __call__(self, who: Claims, outgoing: Command) -> None:
        seconds = self.buckets.bucket(who.subject).take(self.clock())
        if seconds:
            raise TooManyRequests("You send too fast; slow down.", retry_after_seconds=seconds)


@dataclass(frozen=True, slots=True)
class Membership(Interceptor):
    """The user may write to the room."""

    memberships: Memberships

    @override
    def __call__(self, who: Claims, outgoing: Command) -> Awaitable[None] | None:
        access = self.memberships.known(who.subject, outgoing.room)
        if access is None:
            return self._ask(who.subject, outgoing.room)
        access.check_write()
        return None

    async def _ask(self, user: str, room: str) -> None:
        (await self.memberships.get(user, room)).check_write()


def intercept(
    interceptors: Sequence[Interceptor], who: Claims, outgoing: Command
) -> Awaitable[None] | None:
    """Let `outgoing` pass each of `interceptors` in turn; await the result if there is one."""
    for index, interceptor in enumerate(interceptors):
        pending = interceptor(who, outgoing)
        if pending is not None:
            return _finish(pending, interceptors[index + 1 :], who, outgoing)
    return None


async def _finish(
    pending: Awaitable[None], rest: Sequence[Interceptor], who: Claims, outgoing: Command
) -> None:
    await pending
    following = intercept(rest, who, outgoing)
    if following is not None:
        await following
