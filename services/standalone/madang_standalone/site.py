"""The site: the browser client, and metrics and health of all services."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from madang_common.health import Health, Ping
from madang_common.http.app import create_app
from madang_common.settings import CommonSettings

DOCS = "/docs"
"""Path of the page about the REST interface, and of its files."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
# Swagger UI assigns HTML, and its style sheet contains icons as data URLs.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def page_headers(path: str) -> dict[str, str]:
    """Return the security headers of the file at `path`."""
    docs = path == DOCS or path.startswith(f"{DOCS}/")
    return _HEADERS | {"Content-Security-Policy": _DOCS_POLICY if docs else _POLICY}


class _Pages:
    """Serves the files of a folder with the security headers of pages."""

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        headers = page_headers(path)
        if path == DOCS:
            # As the proxy does. A redirect would contain the Host header of the request.
            scope = {**scope, "path": f"{DOCS}/"}

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._files(scope, receive, send_secured)


def create_site(settings: CommonSettings, web: Path, services: Mapping[str, FastAPI]) -> FastAPI:
    """Return the app of the files in `web`, and of `/metrics` and `/health` for all `services`."""
    site = create_app(
        "standalone",
        settings,
        routers=[],
        health=_health_of(services),
        registry=CollectorRegistry(),
        more_registries=[service.state.registry for service in services.values()],
    )
    site.mount("/", _Pages(web))
    return site


def _health_of(services: Mapping[str, FastAPI]) -> Health:
    """Return the health of all `services`, whose dependencies are named `service.dependency`."""
    required: dict[str, Ping] = {}
    optional: dict[str, Ping] = {}
    for name, service in services.items():
        health: Health = service.state.health
        required |= {f"{name}.{known}": ping for known, ping in health.required.items()}
        optional |= {f"{name}.{known}": ping for known, ping in health.optional.items()}
    return Health(required, optional=optional)
