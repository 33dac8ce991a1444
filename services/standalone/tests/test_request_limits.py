"""Every route of every service is rate limited."""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from madang_common.http.request_limit import RequestAllowance
from madang_common.settings import Environment
from madang_standalone.path_router import PathRouter
from madang_standalone.settings import StandaloneSettings
from madang_standalone.site import create_site
from madang_standalone.wiring import apps_by_prefix, services

PASSWORD = "correct horse battery"
WITHOUT_USER = {
    "POST /api/auth/v1/register",
    "POST /api/auth/v1/login",
    "POST /api/auth/v1/refresh",
    "GET /.well-known/jwks.json",
    "GET /ws",
    "GET /ws-stomp",
    "GET /ws-stomp/",
    "GET /ws-stomp/info",
    "OPTIONS /ws-stomp/info",
    "GET /ws-stomp/websocket",
    "GET /ws-stomp/x/x/websocket",
}
"""Requests without a token; they are limited per address."""


def settings(folder: Path, **limits: Any) -> StandaloneSettings:
    return StandaloneSettings(
        environment=Environment.DEVELOPMENT, data_dir=folder, log_shards=1, **limits
    )


@pytest.fixture
async def apps(tmp_path: Path) -> AsyncIterator[Mapping[str, FastAPI]]:
    limits = {"requests_burst_per_address": 1, "requests_per_second_per_address": 1e-6}
    async with services(settings(tmp_path, **limits)) as apps:
        yield apps


def routes(found: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route, with `x` for each parameter."""
    for route in found:
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/app.js"
            continue
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from routes(included.routes)
            continue
        for method in getattr(route, "methods", ()):
            yield method, re.sub(r"\{[^}]*\}", "x", getattr(route, "path", ""))


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://madang")


def router(apps: Mapping[str, FastAPI], folder: Path, **limits: Any) -> PathRouter:
    given = settings(folder, **limits)
    site = create_site(given, given.web_dir, apps)
    return PathRouter(apps_by_prefix(apps), site, RequestAllowance(given))


async def test_every_route_is_charged_to_its_address(
    apps: Mapping[str, FastAPI], tmp_path: Path
) -> None:
    given = settings(tmp_path)
    site = create_site(given, given.web_dir, apps)
    limited = router(
        apps, tmp_path, requests_burst_per_address=1, requests_per_second_per_address=1e-6
    )
    everything = [one for app in (*apps.values(), site) for one in routes(app.routes)]
    free = []

    async with client_of(limited) as client:
        await client.get("/")
        for method, path in everything:
            if (await client.request(method, path)).status_code != 429:
                free.append(f"{method} {path}")

    assert len(everything) > 40
    assert free == []


async def test_every_route_for_users_is_charged_to_the_user(
    apps: Mapping[str, FastAPI], tmp_path: Path
) -> None:
    limited = router(apps, tmp_path, requests_burst_per_user=1, requests_per_second_per_user=1e-6)
    account = {"username": "minji", "password": PASSWORD}
    everything = [one for app in apps.values() for one in routes(app.routes)]
    public = [one for one in everything if not one[1].startswith(("/internal", "/health", "/metr"))]
    free = set()

    async with client_of(limited) as client:
        assert (await client.post("/api/auth/v1/register", json=account)).status_code == 201
        token = (await client.post("/api/auth/v1/login", json=account)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        first = await client.get("/api/rooms/v1/rooms", headers=headers)
        for method, path in public:
            answer = await client.request(method, path, headers=headers)
            if answer.status_code != 429:
                free.add(f"{method} {path}")
        refused = await client.get("/api/rooms/v1/rooms", headers=headers)

    assert first.status_code == 200
    assert free <= WITHOUT_USER
    assert refused.headers["Retry-After"]
    assert refused.json()["detail"] == "Too many requests from you; retry later."


async def test_a_service_in_its_own_process_charges_all_public_paths(
    apps: Mapping[str, FastAPI],
) -> None:
    free = set()
    for app in apps.values():
        async with client_of(app) as client:
            await client.get("/ws-stomp")
            for method, path in routes(app.routes):
                if (await client.request(method, path)).status_code != 429:
                    free.add(path)

    inside = ("/internal/", "/health/", "/metrics")
    assert {"/internal/access", "/health/ready", "/metrics"} <= free
    assert [path for path in free if not path.startswith(inside)] == []
