"""Interceptors of a send."""

import asyncio
from collections.abc import Awaitable, Sequence

import pytest

from madang_common.access import Access, AccessQuery
from madang_common.events.kinds import Role
from madang_common.http.client import create_client
from madang_common.problems import (
    Forbidden,
    NotAMember,
    NotFound,
    Problem,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
)
from madang_common.token_bucket import Rate
from madang_common.tokens.claims import Claims
from madang_common.tokens.verifier import Verifiers
from madang_gateway.backends.memberships import Memberships
from madang_gateway.protocol.destinations import Action
from madang_gateway.publish.command import SendCommand
from madang_gateway.publish.interceptors import (
    ActiveSession,
    Interceptor,
    Membership,
    OwnToken,
    RateLimit,
    SizeLimit,
    intercept,
)
from madang_gateway.session.registry import SessionRegistry
from tests.support.issuer import ISSUER, Issuer

MINA = Claims(
    subject="mina",
    session="session-of-mina",
    username="mina",
    name="Mina",
    expires_at=2_000_000_000,
)


def send_command(size: int = 2, token: str | None = None) -> SendCommand:
    return SendCommand(Action.MESSAGE, "abc", "message.created", {"text": "hi"}, size, token=token)


class Recorder:
    """Creates interceptors that record when they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def at_once(self, name: str) -> Interceptor:
        def run(claims: Claims, command: SendCommand) -> None:
            self.ran.append(name)

        return run

    def later(self, name: str, problem: Problem | None = None) -> Interceptor:
        async def wait() -> None:
            await asyncio.sleep(0)
            self.ran.append(name)
            if problem is not None:
                raise problem

        def run(claims: Claims, command: SendCommand) -> Awaitable[None]:
            self.ran.append(f"{name} awaited")
            return wait()

        return run


def test_interceptors_without_an_await_run_at_once_and_in_order() -> None:
    recorder = Recorder()

    pending = intercept([recorder.at_once("a"), recorder.at_once("b")], MINA, send_command())

    assert pending is None
    assert recorder.ran == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("a" * 1000, True),
        ("a" * 1001, False),
        ("가" * 333, True),
        ('"' * 500, True),
        ('"' * 1000, False),
        ("\x01" * 1000, False),
        ("\x01" * 170, True),
    ],
)
def test_the_size_limit_holds_as_sent_and_as_json(text: str, *, fits: bool) -> None:
    size = len(text.encode())
    command = SendCommand(Action.MESSAGE, "abc", "message.created", {"text": text}, size)

    if fits:
        SizeLimit(1000)(MINA, command)
    else:
        with pytest.raises(TooLarge):
            SizeLimit(1000)(MINA, command)


def test_a_revoked_session_or_expired_token_is_refused() -> None:
    verifier = Verifiers.from_jwks(create_client("http://auth"), issuer=ISSUER).users
    holds = ActiveSession(verifier, lambda: 1_000)

    holds(MINA, send_command())
    with pytest.raises(Unauthenticated):
        ActiveSession(verifier, lambda: MINA.expires_at)(MINA, send_command())
    verifier.revoke_session(MINA.session)
    with pytest.raises(Unauthenticated):
        holds(MINA, send_command())


async def test_interceptors_run_after_the_ones_before_them_were_awaited() -> None:
    recorder = Recorder()
    chain = [
        recorder.at_once("a"),
        recorder.later("b"),
        recorder.at_once("c"),
        recorder.later("d"),
        recorder.at_once("e"),
    ]

    pending = intercept(chain, MINA, send_command())
    assert recorder.ran == ["a", "b awaited"]
    assert pending is not None
    await pending

    assert recorder.ran == ["a", "b awaited", "b", "c", "d awaited", "d", "e"]


async def test_a_refusal_after_an_await_stops_the_rest() -> None:
    recorder = Recorder()
    chain = [recorder.later("a", NotAMember()), recorder.at_once("b")]

    pending = intercept(chain, MINA, send_command())
    assert pending is not None
    with pytest.raises(NotAMember):
        await pending

    assert recorder.ran == ["a awaited", "a"]


def test_a_body_may_have_exactly_the_limit() -> None:
    limit = SizeLimit(10)

    limit(MINA, send_command(size=10))

    with pytest.raises(TooLarge):
        limit(MINA, send_command(size=11))


def test_a_rate_limited_user_is_told_when_to_retry() -> None:
    limit = RateLimit(SessionRegistry(Rate(per_second=2, burst=1)).bucket, lambda: 100.0)
    limit(MINA, send_command())

    with pytest.raises(TooManyRequests) as refused:
        limit(MINA, send_command())

    assert refused.value.retry_after_seconds == 0.5


async def pass_token(issuer: Issuer, token: str | None, *, required: bool = False) -> None:
    own = OwnToken(issuer.verifiers().users, required=required)
    pending = own(MINA, send_command(token=token))
    if pending is not None:
        await pending


async def test_a_send_needs_its_own_token_only_if_required() -> None:
    await pass_token(Issuer(), None)

    with pytest.raises(Unauthenticated):
        await pass_token(Issuer(), None, required=True)


async def test_the_own_token_of_a_send_must_be_valid_and_of_the_same_user() -> None:
    issuer = Issuer()
    await pass_token(issuer, issuer.token("mina"), required=True)

    for token in ("", "nonsense", issuer.token("jun"), issuer.token("mina", seconds=-1)):
        with pytest.raises(Unauthenticated):
            await pass_token(issuer, token)


async def test_a_token_with_a_cached_key_is_verified_without_an_await() -> None:
    issuer = Issuer()
    verifier = issuer.verifiers().users
    await verifier.verify(issuer.token("mina"))
    own = OwnToken(verifier, required=False)

    assert own(MINA, send_command(token=issuer.token("mina", seconds=100))) is None
    with pytest.raises(Unauthenticated):
        own(MINA, send_command(token=issuer.token("jun", seconds=100)))


@pytest.mark.parametrize(
    ("access", "problem"),
    [
        (Access(user="mina", room="abc", exists=True, role=Role.MEMBER, archived=False), None),
        (Access(user="mina", room="abc", exists=True, role=None, archived=False), NotAMember),
        (Access(user="mina", room="abc", exists=False, role=None, archived=False), NotFound),
        (Access(user="mina", room="abc", exists=True, role=Role.OWNER, archived=True), Forbidden),
    ],
)
async def test_only_members_write_and_none_to_an_archived_room(
    access: Access, problem: type[Problem] | None
) -> None:
    async def ask(queries: Sequence[AccessQuery]) -> list[Access]:
        return [access]

    check = Membership(Memberships(ask, rooms=10))
    pending = check(MINA, send_command())
    assert pending is not None

    if problem is None:
        await pending
        assert check(MINA, send_command()) is None
    else:
        with pytest.raises(problem):
            await pending
