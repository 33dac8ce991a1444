import asyncio
from collections.abc import Callable

import httpx
import pytest

from madang_common.http.client import create_client
from madang_common.problems import Unavailable
from madang_common.tokens import keys
from madang_common.tokens.keys import KeySet
from tests.support.issuer import Issuer


class Auth:
    """Auth's JWK set, which can change and fail; counts requests."""

    def __init__(self, issuer: Issuer) -> None:
        self.requests = 0
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, json=issuer.jwks())

    def client(self) -> httpx.AsyncClient:
        async def page(_: httpx.Request) -> httpx.Response:
            self.requests += 1
            await asyncio.sleep(0)
            return self.answer()

        return create_client("http://auth", transport=httpx.MockTransport(page))

    def serve(self, *issuers: Issuer) -> None:
        found = [issuer.jwks()["keys"] for issuer in issuers]
        jwks = {"keys": [key for keys in found if isinstance(keys, list) for key in keys]}
        self.answer = lambda: httpx.Response(200, json=jwks)

    def fail(self) -> None:
        self.answer = lambda: httpx.Response(503)


class HeldTime:
    """Monotonic time that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> HeldTime:
    held = HeldTime()
    monkeypatch.setattr(keys, "time", held)
    return held


OLD, NEW = Issuer("old"), Issuer("new")


@pytest.fixture
def auth() -> Auth:
    return Auth(OLD)


async def test_keys_are_fetched_once_and_kept(auth: Auth, time: HeldTime) -> None:
    known = KeySet(auth.client())
    assert known.known("old") is None

    for _ in range(3):
        assert await known.get("old") is not None
        time.now += 99

    assert known.known("old") is not None
    assert auth.requests == 1


async def test_stale_keys_are_fetched_again(auth: Auth, time: HeldTime) -> None:
    known = KeySet(auth.client())
    await known.get("old")
    auth.serve(NEW)

    time.now += 301

    assert known.known("old") is None
    assert await known.get("old") is None
    assert await known.get("new") is not None


async def test_a_new_key_works_at_once(auth: Auth, time: HeldTime) -> None:
    known = KeySet(auth.client())
    await known.get("old")
    auth.serve(OLD, NEW)
    time.now += 6

    assert await known.get("new") is not None
    assert await known.get("old") is not None
    assert auth.requests == 2


async def test_a_storm_of_unknown_keys_is_one_question(auth: Auth, time: HeldTime) -> None:
    known = KeySet(auth.client())

    found = await asyncio.gather(*(known.get(f"unknown-{n}") for n in range(1000)))
    for n in range(1000):
        await known.get(f"later-{n}")
        time.now += 0.004

    assert not any(found)
    assert auth.requests == 1


async def test_many_unknown_keys_cause_few_fetches(auth: Auth, time: HeldTime) -> None:
    known = KeySet(auth.client())

    for n in range(600):
        assert await known.get(f"unknown-{n}") is None
        time.now += 0.1

    assert auth.requests <= 13


async def test_while_auth_is_unavailable_known_keys_are_used(auth: Auth, time: HeldTime) -> None:
    known = KeySet(auth.client())
    await known.get("old")
    auth.fail()
    time.now += 10_000

    for _ in range(100):
        assert await known.get("old") is not None

    assert auth.requests == 2


async def test_while_auth_is_unavailable_a_known_key_does_not_wait(
    auth: Auth, time: HeldTime
) -> None:
    known = KeySet(auth.client())
    await known.get("old")
    auth.fail()
    time.now += 301
    await known.get("old")
    time.now += 2
    silent = asyncio.Event()

    async def never(_: httpx.Request) -> httpx.Response:
        await silent.wait()
        return httpx.Response(503)

    known._client = create_client("http://auth", transport=httpx.MockTransport(never))

    async with asyncio.timeout(5):
        assert await known.get("old") is not None

    assert known._fetching is not None
    silent.set()
    await known._fetching


async def test_while_auth_is_unavailable_unknown_keys_raise_unavailable(
    auth: Auth, time: HeldTime
) -> None:
    known = KeySet(auth.client())
    auth.fail()

    for _ in range(100):
        with pytest.raises(Unavailable):
            await known.get("old")
    assert auth.requests == 1

    auth.serve(OLD)
    time.now += 1
    assert await known.get("old") is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"keys":7}',
        b'{"keys":[]}',
        b'{"keys":[7]}',
        b'{"keys":[{"kty":"nonsense"}]}',
        b'{"keys":[{"kty":["OKP"],"crv":{},"kid":[]}]}',
        b'{"keys":[{"kty":"OKP","crv":"Ed25519","x":7,"kid":"old"}]}',
        b'{"keys":[{"kty":"OKP","crv":"Ed25519","alg":[],"x":"","kid":"old"}]}',
        b'{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"old"}]}',
        b'{"keys":{"kid":"old"}}',
        b"[" * 100_000,
    ],
)
async def test_a_malformed_key_set_counts_as_a_failure(
    auth: Auth, time: HeldTime, body: bytes
) -> None:
    known = KeySet(auth.client())
    auth.answer = lambda: httpx.Response(200, content=body)

    for _ in range(100):
        with pytest.raises(Unavailable):
            await known.get("old")
    assert auth.requests == 1

    auth.serve(OLD)
    time.now += 10
    assert await known.get("old") is not None


@pytest.mark.parametrize("kid", [None, 7, ["new"], {"new": 1}, ""])
async def test_a_key_that_has_no_name_is_passed_over(
    auth: Auth, time: HeldTime, kid: object
) -> None:
    nameless = NEW.jwks()["keys"]
    assert isinstance(nameless, list)
    keys_ = [nameless[0] | {"kid": kid}, *OLD.jwks()["keys"]]  # type: ignore[misc]
    auth.answer = lambda: httpx.Response(200, json={"keys": keys_})

    assert await KeySet(auth.client()).get("old") is not None


async def test_a_cancelled_caller_does_not_cancel_the_fetch_for_others(auth: Auth) -> None:
    known = KeySet(auth.client())
    leaving, staying = (asyncio.create_task(known.get("old")) for _ in range(2))
    await asyncio.sleep(0)

    leaving.cancel()

    assert await staying is not None
    assert auth.requests == 1
