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
from madang_gateway.publish.command import Command
from madang_gateway.publish.interceptors import (
    Interceptor,
    LoginHolds,
    Membership,
    OwnToken,
    RateLimit,
    SizeLimit,
    intercept,
)
from madang_gateway.session.registry import SessionRegistry
from tests.support.issuer import ISSUER, Issuer

MINA = Claims(
    subject="mina", login="login-of-mina", username="mina", name="Mina", expires_at=2_000_000_000
)


def outgoing(size: int = 2, token: str | None = None) -> Command:
    return Command(Action.MESSAGE, "abc", "message.created", {"text": "hi"}, size, token=token)


class Recorder:
    """Interceptors that write down when they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def at_once(self, name: str) -> Interceptor:
        def run(who: Claims, outgoing: Command) -> None:
            self.ran.append(name)

        return run

    def later(self, name: str, problem: Problem | None = None) -> Interceptor:
        async def wait() -> None:
            await asyncio.sleep(0)
            self.ran.append(name)
            if problem is not None:
                raise problem

        def run(who: Claims, outgoing: Command) -> Awaitable[None]:
            self.ran.append(f"{name} asked")
            return wait()

        return run


def test_all_that_is_at_hand_is_passed_at_once_and_in_order() -> None:
    recorder = Recorder()

    pending = intercept([recorder.at_once("a"), recorder.at_once("b")], MINA, outgoing())

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
def test_a_message_is_not_too_large_as_sent_nor_as_it_is_delivered(
    text: str, *, fits: bool
) -> None:
    size = len(text.encode())
    said = Command(Action.MESSAGE, "abc", "message.created", {"text": text}, size)

    if fits:
        SizeLimit(1000)(MINA, said)
    else:
        with pytest.raises(TooLarge):
            SizeLimit(1000)(MINA, said)


def test_a_login_has_to_hold_at_the_moment_of_the_append() -> None:
    verifier = Verifiers.asking(create_client("http://auth"), issuer=ISSUER).users
    holds = LoginHolds(verifier, lambda: 1_000)

    holds(MINA, outgoing())
    with pytest.raises(Unauthenticated):
        LoginHolds(verifier, lambda: MINA.expires_at)(MINA, outgoing())
    verifier.end_login(MINA.login)
    with pytest.raises(Unauthenticated):
        holds(MINA, outgoing())


async def test_what_follows_one_that_waits_is_asked_only_after_it() -> None:
    recorder = Recorder()
    chain = [
        recorder.at_once("a"),
        recorder.later("b"),
        recorder.at_once("c"),
        recorder.later("d"),
        recorder.at_once("e"),
    ]

    pending = intercept(chain, MINA, outgoing())
    assert recorder.ran == ["a", "b asked"]
    assert pending is not None
    await pending

    assert recorder.ran == ["a", "b asked", "b", "c", "d asked", "d", "e"]


async def test_a_late_refusal_keeps_the_rest_from_running() -> None:
    recorder = Recorder()
    chain = [recorder.later("a", NotAMember()), recorder.at_once("b")]

    pending = intercept(chain, MINA, outgoing())
    assert pending is not None
    with pytest.raises(NotAMember):
        await pending

    assert recorder.ran == ["a asked", "a"]


def test_a_body_may_have_exactly_the_limit() -> None:
    limit = SizeLimit(10)

    limit(MINA, outgoing(size=10))

    with pytest.raises(TooLarge):
        limit(MINA, outgoing(size=11))


def test_a_user_who_sends_too_fast_is_told_when_to_go_on() -> None:
    limit = RateLimit(SessionRegistry(Rate(per_second=2, burst=1)), lambda: 100.0)
    limit(MINA, outgoing())

    with pytest.raises(TooManyRequests) as refused:
        limit(MINA, outgoing())

    assert refused.value.retry_after_seconds == 0.5


async def pass_token(issuer: Issuer, token: str | None, *, required: bool = False) -> None:
    own = OwnToken(issuer.verifiers().users, required=required)
    pending = own(MINA, outgoing(token=token))
    if pending is not None:
        await pending


async def test_a_send_needs_no_token_of_its_own_unless_it_is_required() -> None:
    await pass_token(Issuer(), None)

    with pytest.raises(Unauthenticated):
        await pass_token(Issuer(), None, required=True)


async def test_a_token_of_its_own_must_hold_and_be_the_same_users() -> None:
    issuer = Issuer()
    await pass_token(issuer, issuer.token("mina"), required=True)

    for token in ("", "nonsense", issuer.token("jun"), issuer.token("mina", seconds=-1)):
        with pytest.raises(Unauthenticated):
            await pass_token(issuer, token)


async def test_a_token_whose_key_is_at_hand_is_checked_without_waiting() -> None:
    issuer = Issuer()
    verifier = issuer.verifiers().users
    await verifier.verify(issuer.token("mina"))
    own = OwnToken(verifier, required=False)

    assert own(MINA, outgoing(token=issuer.token("mina", seconds=100))) is None
    with pytest.raises(Unauthenticated):
        own(MINA, outgoing(token=issuer.token("jun", seconds=100)))


@pytest.mark.parametrize(
    ("access", "problem"),
    [
        (Access(user="mina", room="abc", exists=True, role=Role.MEMBER, archived=False), None),
        (Access(user="mina", room="abc", exists=True, role=None, archived=False), NotAMember),
        (Access(user="mina", room="abc", exists=False, role=None, archived=False), NotFound),
        (Access(user="mina", room="abc", exists=True, role=Role.OWNER, archived=True), Forbidden),
    ],
)
async def test_only_members_write_and_nobody_to_an_archived_room(
    access: Access, problem: type[Problem] | None
) -> None:
    async def ask(questions: Sequence[AccessQuery]) -> list[Access]:
        return [access]

    check = Membership(Memberships(ask, rooms=10))
    pending = check(MINA, outgoing())
    assert pending is not None

    if problem is None:
        await pending
        assert check(MINA, outgoing()) is None
    else:
        with pytest.raises(problem):
            await pending
