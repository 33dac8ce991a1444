from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from madang_common.http.client import create_client
from madang_common.http.hosts import UnknownHost
from madang_common.problems import (
    Forbidden,
    NotFound,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from madang_common.token_bucket import Rate
from madang_common.tokens.verifier import TokenVerifier, Verifiers
from madang_gateway.upgrade.admission import Admission, reason_of
from madang_gateway.upgrade.policy import Framing
from services.gateway.tests.budgets import unlimited_budget
from services.gateway.tests.harness import settings
from tests.support.issuer import ISSUER, Issuer

PEER = ("9.9.9.9", 4711)


class Sessions:
    def __init__(self, count: int) -> None:
        self.count = count

    def sessions(self, user: str) -> tuple[object, ...]:
        return (user,) * self.count


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def verifier(issuer: Issuer) -> AsyncGenerator[TokenVerifier]:
    """Return a verifier that has fetched its keys."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=issuer.jwks()))
    async with create_client("http://auth", transport=transport) as auth:
        verifier = Verifiers.from_jwks(auth, issuer=ISSUER).users
        await verifier.verify(issuer.token("somebody"))
        yield verifier


def make_admission(verifier: TokenVerifier, *, sessions: int = 0, **changes: Any) -> Admission:
    return Admission(settings(**changes), verifier, Sessions(sessions), unlimited_budget())


def request(path: str = "/ws", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(path, Headers({"Host": "chat.example"} | named))


def test_an_upgrade_for_an_unknown_host_is_refused(verifier: TokenVerifier) -> None:
    admission = make_admission(verifier, allowed_hosts=("chat.example",))

    admission.check(request(), PEER)
    with pytest.raises(UnknownHost) as refused:
        admission.check(request(Host="rebind.evil", Origin="http://rebind.evil"), PEER)

    assert reason_of(refused.value) == "host"


def test_check_returns_the_framing_and_the_address(verifier: TokenVerifier) -> None:
    admission = make_admission(verifier)

    assert admission.check(request(), PEER) == (Framing.STOMP, "9.9.9.9")
    assert admission.check(request("/ws-stomp/0/a/websocket"), PEER)[0] is Framing.SOCKJS
    with pytest.raises(NotFound):
        admission.check(request("/other"), PEER)
    with pytest.raises(Forbidden):
        admission.check(request(Origin="https://evil.example"), PEER)


def test_a_full_gateway_refuses_with_a_retry_time(verifier: TokenVerifier) -> None:
    admission = make_admission(verifier, connections_limit=1)
    admission.enter("1.1.1.1")

    with pytest.raises(Unavailable) as refused:
        admission.check(request(), PEER)

    assert refused.value.retry_after_seconds == 5
    admission.leave("1.1.1.1")
    admission.check(request(), PEER)


def test_a_draining_gateway_refuses_with_a_random_retry_time(verifier: TokenVerifier) -> None:
    admission = make_admission(verifier)
    admission.draining = True
    retry_after = set()
    for _ in range(100):
        with pytest.raises(Unavailable) as refused:
            admission.check(request(), PEER)
        retry_after.add(refused.value.headers()["Retry-After"])

    assert retry_after == {"1", "2", "3"}
    assert reason_of(refused.value) == "draining"


async def test_a_draining_gateway_is_not_ready(verifier: TokenVerifier) -> None:
    admission = make_admission(verifier)
    await admission.ping()

    admission.draining = True

    with pytest.raises(Unavailable):
        await admission.ping()


def test_connections_over_the_rate_are_refused_with_a_retry_time(verifier: TokenVerifier) -> None:
    times = iter([10.0, 10.0, 10.0, 10.0, 10.5])
    admission = Admission(
        settings(connections_per_second=2),
        verifier,
        Sessions(0),
        unlimited_budget(),
        clock=lambda: next(times),
        chance=lambda: 0.5,
    )
    admission.check(request(), PEER)
    admission.check(request(), PEER)

    for seconds in (1.0, 1.5):
        with pytest.raises(Unavailable) as refused:
            admission.check(request(), PEER)
        assert refused.value.retry_after_seconds == seconds
    assert reason_of(refused.value) == "rate"

    admission.check(request(), PEER)


def test_other_refusals_do_not_count_towards_the_rate(verifier: TokenVerifier) -> None:
    admission = make_admission(verifier, connections_per_second=1)
    for _ in range(10):
        with pytest.raises(NotFound):
            admission.check(request("/other"), PEER)
        with pytest.raises(Forbidden):
            admission.check(request(Origin="https://evil.example"), PEER)

    admission.check(request(), PEER)


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (NotFound(), "path"),
        (Forbidden(), "origin"),
        (Unauthenticated(), "token"),
        (Problem(), "other"),
    ],
)
def test_each_refusal_has_a_metric_label(problem: Problem, reason: str) -> None:
    assert reason_of(problem) == reason


def test_each_request_is_charged_to_its_address(verifier: TokenVerifier, issuer: Issuer) -> None:
    now = 0.0
    spending = unlimited_budget(lambda: now, address=Rate(10, 35))
    admission = Admission(settings(), verifier, Sessions(0), spending)
    with_token = request(Authorization=f"Bearer {issuer.token('mina')}")

    admission.check(with_token, PEER)
    with pytest.raises(NotFound):
        admission.check(request("/other"), PEER)
    admission.check(request(), PEER)
    with pytest.raises(TooManyRequests) as refused:
        admission.check(request(), PEER)
    assert refused.value.retry_after_seconds == pytest.approx(0.9)
    assert reason_of(refused.value) == "address_rate"
    admission.check(request(), ("8.8.8.8", 1))

    now += 0.9
    admission.check(request(), PEER)


def test_connections_are_counted_by_address(verifier: TokenVerifier) -> None:
    admission = make_admission(verifier, connections_per_address=2)
    for _ in range(2):
        admission.check(request(), PEER)
        admission.enter("9.9.9.9")

    with pytest.raises(TooManyRequests):
        admission.check(request(), PEER)

    admission.check(request(), ("8.8.8.8", 1))
    admission.leave("9.9.9.9")
    admission.check(request(), PEER)


def test_the_forwarded_address_counts_only_behind_a_trusted_proxy(
    verifier: TokenVerifier,
) -> None:
    admission = make_admission(verifier, proxy_addresses=("10.0.0.0/8",))
    upgrade = request(X_Forwarded_For="6.6.6.6, 1.1.1.1")

    assert admission.check(upgrade, ("10.1.2.3", 1))[1] == "1.1.1.1"
    assert admission.check(upgrade, PEER)[1] == "9.9.9.9"


@pytest.mark.parametrize("peer", ["", None, "/run/socket", ()])
def test_peers_without_an_address_share_one(verifier: TokenVerifier, peer: object) -> None:
    assert make_admission(verifier).check(request(), peer)[1] == ""


def test_an_upgrade_with_a_token_checks_the_users_connections(
    verifier: TokenVerifier, issuer: Issuer
) -> None:
    token = issuer.token("mina")
    upgrade = request(Authorization=f"Bearer {token}")

    make_admission(verifier, sessions=1, connections_per_user=2).check(upgrade, PEER)
    with pytest.raises(TooManyRequests, match="You have too many connections"):
        make_admission(verifier, sessions=2, connections_per_user=2).check(upgrade, PEER)
    with pytest.raises(Unauthenticated):
        make_admission(verifier).check(request(Authorization="Bearer nonsense"), PEER)
    make_admission(verifier, sessions=2, connections_per_user=2).check(request(), PEER)


async def test_a_token_with_an_unknown_key_is_left_to_connect(issuer: Issuer) -> None:
    upgrade = request(Authorization=f"Bearer {issuer.token('mina')}")
    async with create_client("http://auth") as auth:
        verifier = Verifiers.from_jwks(auth, issuer=ISSUER).users

        make_admission(verifier, sessions=2, connections_per_user=2).check(upgrade, PEER)
