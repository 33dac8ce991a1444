"""What the process serves beside its services: the browser client, metrics and health."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.settings import CommonSettings

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class _Secured:
    """Adds the security headers to every page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_secured)


def create_site(settings: CommonSettings, web: Path, services: Mapping[str, FastAPI]) -> FastAPI:
    """Return the app for `/`, `/metrics` and `/health`, which speak for all `services`."""
    pings = {
        f"{name}.{dependency}": ping
        for name, service in services.items()
        for dependency, ping in service.state.health.pings.items()
    }
    site = create_app(
        "standalone",
        settings,
        routers=[],
        health=Health(pings),
        registry=CollectorRegistry(),
        beside=[service.state.registry for service in services.values()],
    )
    site.mount("/", _Secured(StaticFiles(directory=web, html=True)))
    return site
