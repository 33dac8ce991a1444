"""`create_app`: the shell that every service's REST interface stands in."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from madang_common import problems
from madang_common.health import Health, health_router
from madang_common.http import request_id
from madang_common.http.middleware import LimitBody, Observe
from madang_common.metrics import HttpMetrics, Merged
from madang_common.problems import InvalidBody, Problem, TooLarge
from madang_common.settings import CommonSettings

log = structlog.get_logger()

_PROBLEM_RESPONSE: dict[str, Any] = {
    "description": "A problem (RFC 9457)",
    "content": {problems.MEDIA_TYPE: {"schema": {"type": "object"}}},
}


def create_app(
    service: str,
    settings: CommonSettings,
    *,
    routers: Sequence[APIRouter],
    health: Health,
    registry: CollectorRegistry,
    beside: Sequence[CollectorRegistry] = (),
) -> FastAPI:
    """Return the app of `service`, with health, metrics, problems, request ids and a body limit.

    `/metrics` shows `registry` and those `beside` it as one. The app has no lifespan: a service's
    `build` starts and stops what runs in the background.
    """
    app = FastAPI(
        title=f"Madang {service}",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # To the address in the request's Host, and to http where a proxy ends TLS: a client would
        # send a password there.
        redirect_slashes=False,
        responses={"4XX": _PROBLEM_RESPONSE},
    )
    for router in (*routers, health_router(health), metrics_router([registry, *beside])):
        app.include_router(router)
    app.state.registry = registry
    app.state.health = health
    http_metrics = HttpMetrics(registry, service)
    _answer_with_problems(app, http_metrics)
    app.add_middleware(LimitBody, limit=settings.request_body_bytes)
    app.add_middleware(Observe, metrics=http_metrics)
    return app


def metrics_router(registries: Sequence[CollectorRegistry]) -> APIRouter:
    """Return `/metrics`, in Prometheus' text format, for all `registries` as one."""
    router = APIRouter(include_in_schema=False)
    registry = CollectorRegistry()
    registry.register(Merged(registries))

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def problem_response(problem: Problem) -> JSONResponse:
    """Return `problem` as a response."""
    return JSONResponse(
        problem.document(),
        status_code=problem.status,
        headers=problem.headers(),
        media_type=problems.MEDIA_TYPE,
    )


def _answer_with_problems(app: FastAPI, metrics: HttpMetrics) -> None:
    @app.exception_handler(Problem)
    async def told(_: Request, problem: Problem) -> JSONResponse:
        return problem_response(problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # The value itself stays out of the answer: it may be a password.
        errors = [
            {"field": ".".join(str(part) for part in found["loc"]), "message": found["msg"]}
            for found in error.errors()[: problems.MOST_ERRORS]
        ]
        return problem_response(InvalidBody("see errors", errors=errors))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == TooLarge.status:
            return problem_response(TooLarge(error.detail))
        document = {
            "type": "about:blank",
            "title": HTTPStatus(error.status_code).phrase,
            "status": error.status_code,
        }
        return JSONResponse(
            document,
            status_code=error.status_code,
            headers=error.headers,
            media_type=problems.MEDIA_TYPE,
        )

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        metrics.failed()
        log.error("request_failed", exc_info=error)
        response = problem_response(Problem())
        # This is answered outside the middleware that adds the id.
        response.headers[request_id.HEADER] = request_id.current() or ""
        return response
