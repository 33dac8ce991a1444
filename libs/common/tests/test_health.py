import asyncio

import httpx
from fastapi import FastAPI

from madang_common.health import Health, health_router


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


async def test_dependencies_are_checked_concurrently() -> None:
    pings = {f"dependency-{n}": silent for n in range(20)}

    async with asyncio.timeout(5):
        answer = await ready(Health(pings, timeout_seconds=0.5))

    assert answer.status_code == 503
    assert set(answer.json()["dependencies"].values()) == {"no answer in time"}
