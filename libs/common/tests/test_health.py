import asyncio

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from madang_common.health import Health, health_router
from madang_common.http.app import create_app
from madang_common.settings import CommonSettings, Environment


async def well() -> None:
    pass


async def broken() -> None:
    raise ConnectionError("secret address")


async def silent() -> None:
    await asyncio.Event().wait()


async def ready(health: Health) -> httpx.Response:
    app = FastAPI()
    app.include_router(health_router(health))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/health/live")).status_code == 200
        return await client.get("/health/ready")


async def test_a_service_is_ready_if_all_dependencies_answer() -> None:
    answer = await ready(Health({"log": well, "store": well}))

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "dependencies": {"log": "ok", "store": "ok"}}


async def test_a_failed_dependency_is_named_without_details() -> None:
    answer = await ready(Health({"log": well, "store": broken}))

    assert answer.status_code == 503
    assert answer.json()["dependencies"] == {"log": "ok", "store": "ConnectionError"}
    assert "secret" not in answer.text


async def test_without_an_optional_dependency_a_service_is_ready_but_degraded() -> None:
    answer = await ready(Health({"store": well}, optional={"log": broken}))

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "degraded",
        "dependencies": {"store": "ok", "log": "ConnectionError"},
    }


async def test_without_a_required_dependency_a_service_is_not_ready() -> None:
    answer = await ready(Health({"store": broken}, optional={"log": broken}))

    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")


async def test_metrics_tell_which_dependencies_answer() -> None:
    app = create_app(
        "test",
        CommonSettings(environment=Environment.DEVELOPMENT),
        routers=[],
        health=Health({"store": well}, optional={"log": broken, "live": silent}),
        registry=CollectorRegistry(),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        async with asyncio.timeout(5):
            metrics = (await client.get("/metrics")).text

    for dependency, up in (("store", 1), ("log", 0), ("live", 0)):
        sample = f'madang_dependency_up{{dependency="{dependency}",service="test"}} {up}.0'
        assert sample in metrics


async def test_scrapes_in_one_second_ask_once() -> None:
    asked = 0

    async def ping() -> None:
        nonlocal asked
        asked += 1

    health = Health({"store": ping})
    for _ in range(3):
        assert await health.up() == {"store": True}

    assert asked == 1


async def test_dependencies_are_checked_concurrently() -> None:
    pings = {f"dependency-{n}": silent for n in range(20)}

    async with asyncio.timeout(5):
        answer = await ready(Health(pings, timeout_seconds=0.5))

    assert answer.status_code == 503
    assert set(answer.json()["dependencies"].values()) == {"no answer in time"}
