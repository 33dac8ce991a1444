import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from madang_common.http.inprocess import InProcessNetwork
from madang_common.http.request_limit import LimitRequests, RequestAllowance, charged_to
from madang_common.problems import TooManyRequests
from madang_common.settings import CommonSettings, Environment


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def settings(**limits: Any) -> CommonSettings:
    return CommonSettings(environment=Environment.DEVELOPMENT, **limits)


def allowance(clock: Clock, **limits: Any) -> RequestAllowance:
    return RequestAllowance(settings(**limits), clock=clock)


@contextmanager
def running(limited: RequestAllowance, address: str, more: float = 0) -> Iterator[None]:
    """Run a request from `address` meanwhile."""
    subject = limited.begin(address, more)
    yield
    limited.end(subject)


def test_a_request_may_count_as_several() -> None:
    limited = allowance(Clock(), requests_burst_per_address=10, requests_per_second_per_address=1)
    with running(limited, "192.0.2.1", more=9.5):
        pass

    with pytest.raises(TooManyRequests), running(limited, "192.0.2.1"):
        pass


@pytest.mark.parametrize(
    ("headers", "then"),
    [({}, 200), ({"content-length": "60000"}, 429), ({"transfer-encoding": "chunked"}, 429)],
)
async def test_a_body_is_charged_by_its_content_length(headers: dict[str, str], then: int) -> None:
    limits = settings(requests_burst_per_address=10, requests_per_second_per_address=1)
    app = LimitRequests(PlainTextResponse("done"), limits)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        assert (await client.get("/", headers=headers)).status_code == 200

        assert (await client.get("/")).status_code == then


def test_an_address_has_a_burst_and_then_a_rate() -> None:
    clock = Clock()
    limited = allowance(clock, requests_burst_per_address=3, requests_per_second_per_address=2)
    for _ in range(3):
        with running(limited, "192.0.2.1"):
            pass

    with pytest.raises(TooManyRequests) as refused, running(limited, "192.0.2.1"):
        pass
    with running(limited, "192.0.2.2"):
        pass

    assert refused.value.retry_after_seconds == 0.5
    clock.now += 0.5
    with running(limited, "192.0.2.1"):
        pass


def test_an_ipv6_prefix_counts_as_one_address() -> None:
    limited = allowance(Clock(), requests_burst_per_address=1)
    with running(limited, "2001:db8::1"):
        pass

    with pytest.raises(TooManyRequests), running(limited, "2001:db8::ffff:2"):
        pass
    with running(limited, "2001:db8:0:1::1"):
        pass


def test_running_requests_of_an_address_are_limited() -> None:
    limited = allowance(Clock(), requests_running_per_address=1)

    with running(limited, "192.0.2.1"):
        with pytest.raises(TooManyRequests, match="are running"), running(limited, "192.0.2.1"):
            pass
        with running(limited, "192.0.2.2"):
            pass
    with running(limited, "192.0.2.1"):
        pass

    assert not limited._running


def test_a_user_has_a_burst_from_any_address() -> None:
    limited = allowance(Clock(), requests_burst_per_user=1)

    limited.charge_user("minji")
    limited.charge_user("junho")
    with pytest.raises(TooManyRequests):
        limited.charge_user("minji")


async def _hello(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0)
    await PlainTextResponse("hello")(scope, receive, send)


@pytest.fixture
def limited() -> LimitRequests:
    given = settings(requests_burst_per_address=1, requests_per_second_per_address=1e-6)
    return LimitRequests(_hello, given)


async def test_services_in_the_same_process_are_not_charged(limited: LimitRequests) -> None:
    network = InProcessNetwork()
    network.add("rooms", limited)

    async with httpx.AsyncClient(transport=network, base_url="http://rooms") as inside:
        statuses = {(await inside.get("/api/rooms/v1/rooms")).status_code for _ in range(3)}

    assert statuses == {200}


async def test_a_refusal_says_when_to_retry(limited: LimitRequests) -> None:
    transport = httpx.ASGITransport(limited)
    async with httpx.AsyncClient(transport=transport, base_url="http://rooms") as client:
        await client.get("/")
        refused = await client.get("/")

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1000000")
    assert refused.json()["type"] == "urn:madang:problem:too-many-requests"


async def test_public_metrics_count_as_many_requests() -> None:
    app = LimitRequests(
        _hello, settings(requests_burst_per_address=20, requests_per_second_per_address=1e-6)
    )
    outside = charged_to(
        app, allowance(Clock(), requests_burst_per_address=20, requests_per_second_per_address=1)
    )
    transport = httpx.ASGITransport(outside)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/")).status_code == 429


async def test_a_refusal_is_delayed(
    limited: LimitRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[float] = []

    async def sleep(seconds: float) -> None:
        held.append(seconds)

    transport = httpx.ASGITransport(limited)
    async with httpx.AsyncClient(transport=transport, base_url="http://rooms") as client:
        await client.get("/")
        monkeypatch.setattr(asyncio, "sleep", sleep)
        await client.get("/")

    assert held == [0.25]
