import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from prometheus_client import CollectorRegistry

from madang_common.http.backends import open_backends
from madang_common.problems import Unauthenticated
from madang_common.settings import CommonSettings, Environment
from madang_common.tokens.revocations import PAGE, Revocation, Revocations, follow_revocations
from madang_common.tokens.verifier import TokenVerifier
from tests.support.issuer import Issuer
from tests.support.waiting import until


@dataclass
class Auth:
    """The auth service: tokens and revocations."""

    issuer: Issuer = field(default_factory=Issuer)
    ended: list[Revocation] = field(default_factory=list)
    away: bool = False
    garbage: bool = False
    requests: list[str | None] = field(default_factory=list)
    """The cursor of each request."""
    at_once: int = 0
    most_at_once: int = 0
    seconds: float = 0
    """Duration of a response."""

    def end(self, user: str, login: str | None, *, at: float = 0, keep: str | None = None) -> None:
        self.ended.append(Revocation(user=user, login=login, keep=keep, at=at))

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/internal/token":
            token = self.issuer.service_token("rooms")
            return httpx.Response(200, json={"access_token": token, "expires_in": 300})
        assert request.url.path == "/internal/revocations"
        assert request.headers["Authorization"].startswith("Bearer ")
        self.requests.append(request.url.params.get("after"))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1
        if self.away:
            return httpx.Response(503)
        if self.garbage:
            return httpx.Response(200, json=["nothing", "known"])
        after = int(request.url.params.get("after", 0))
        items = tuple(self.ended[after : after + PAGE])
        page = Revocations(items=items, cursor=str(after + len(items)))
        return httpx.Response(200, content=page.model_dump_json())

    async def polled_again(self, times: int = 2) -> None:
        """Return after `times` more requests."""
        count = len(self.requests) + times
        await until(lambda: len(self.requests) >= count)


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
def verifier(auth: Auth) -> TokenVerifier:
    return auth.issuer.verifiers().users


@asynccontextmanager
async def following(
    auth: Auth,
    verifier: TokenVerifier,
    *,
    registry: CollectorRegistry | None = None,
    revoked: list[str] | None = None,
    poll_seconds: float = 0.005,
) -> AsyncIterator[None]:
    settings = CommonSettings(
        environment=Environment.DEVELOPMENT, revocations_poll_seconds=poll_seconds
    )
    transport = httpx.MockTransport(auth.answer)
    async with (
        open_backends(settings, service="rooms", transport=transport) as backends,
        follow_revocations(
            "rooms",
            settings,
            verifier,
            auth=backends.auth,
            registry=registry or CollectorRegistry(),
            on_revoked=(revoked if revoked is not None else []).append,
        ),
    ):
        yield


async def refuses(verifier: TokenVerifier, token: str) -> bool:
    try:
        await verifier.verify(token)
    except Unauthenticated:
        return True
    return False


async def test_earlier_revocations_apply_from_the_start(
    auth: Auth, verifier: TokenVerifier
) -> None:
    auth.end("ana", "login-of-ana")

    async with following(auth, verifier, poll_seconds=3600):
        assert await refuses(verifier, auth.issuer.token("ana"))
        assert not await refuses(verifier, auth.issuer.token("bo"))


async def test_later_revocations_apply_at_the_next_poll(
    auth: Auth, verifier: TokenVerifier
) -> None:
    revoked: list[str] = []
    async with following(auth, verifier, revoked=revoked):
        token = auth.issuer.token("ana")
        assert not await refuses(verifier, token)

        auth.end("ana", "login-of-ana")
        await auth.polled_again()

        assert await refuses(verifier, token)
        assert revoked == ["ana"]


async def test_all_sessions_of_a_user_are_revoked_except_one(
    auth: Auth, verifier: TokenVerifier
) -> None:
    now = time.time()
    auth.end("ana", None, at=now, keep="kept")

    async with following(auth, verifier):
        before = int(now) - 1
        assert await refuses(verifier, auth.issuer.token("ana", iat=before))
        assert not await refuses(verifier, auth.issuer.token("ana", iat=before, sid="kept"))
        assert not await refuses(verifier, auth.issuer.token("bo", iat=before))


async def test_each_question_goes_on_where_the_last_answer_ended(
    auth: Auth, verifier: TokenVerifier
) -> None:
    auth.end("ana", "one")
    auth.end("ana", "two")

    async with following(auth, verifier):
        await auth.polled_again()

    assert auth.requests[:2] == [None, "2"]


async def test_many_that_ended_come_page_by_page_at_once(
    auth: Auth, verifier: TokenVerifier
) -> None:
    for n in range(2 * PAGE + 1):
        auth.end("ana", f"login-{n}")

    async with following(auth, verifier, poll_seconds=3600):
        assert auth.requests == [None, str(PAGE), str(2 * PAGE)]
        assert await refuses(verifier, auth.issuer.token("ana", sid=f"login-{2 * PAGE}"))


async def test_while_auth_is_unavailable_known_revocations_stay(
    auth: Auth, verifier: TokenVerifier
) -> None:
    auth.end("ana", "login-of-ana")
    async with following(auth, verifier):
        auth.away = True
        auth.end("bo", "login-of-bo")
        await auth.polled_again()
        assert await refuses(verifier, auth.issuer.token("ana"))
        assert not await refuses(verifier, auth.issuer.token("bo"))

        auth.away = False
        await auth.polled_again()
        assert await refuses(verifier, auth.issuer.token("bo"))


async def test_it_begins_without_auth_too(auth: Auth, verifier: TokenVerifier) -> None:
    auth.away = True
    auth.end("ana", "login-of-ana")

    async with following(auth, verifier):
        assert not await refuses(verifier, auth.issuer.token("ana"))
        auth.away = False
        await auth.polled_again()
        assert await refuses(verifier, auth.issuer.token("ana"))


async def test_an_answer_that_cannot_be_understood_ends_nothing(
    auth: Auth, verifier: TokenVerifier
) -> None:
    async with following(auth, verifier):
        auth.garbage = True
        await auth.polled_again()
        auth.garbage = False
        auth.end("ana", "login-of-ana")
        await auth.polled_again()

        assert await refuses(verifier, auth.issuer.token("ana"))


async def test_there_is_one_question_at_a_time(auth: Auth, verifier: TokenVerifier) -> None:
    auth.seconds = 0.02

    async with following(auth, verifier, poll_seconds=0.001):
        await auth.polled_again(5)

    assert auth.most_at_once == 1


async def test_polling_stops_at_the_end(auth: Auth, verifier: TokenVerifier) -> None:
    async with following(auth, verifier):
        await auth.polled_again()
    asked = len(auth.requests)

    await asyncio.sleep(0.05)

    assert len(auth.requests) == asked
    assert "revocations" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_revocations_and_the_last_poll_are_exposed(
    auth: Auth, verifier: TokenVerifier
) -> None:
    registry = CollectorRegistry()
    auth.away = True
    auth.end("ana", "login-of-ana")

    async with following(auth, verifier, registry=registry):
        received = ("madang_revocations_heard_timestamp_seconds", {"service": "rooms"})
        assert registry.get_sample_value(*received) == 0
        auth.away = False
        await auth.polled_again()
        assert (registry.get_sample_value(*received) or 0) > 1_700_000_000
        assert registry.get_sample_value("madang_revocations_total", {"service": "rooms"}) == 1
