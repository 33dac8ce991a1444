"""`create_app`: the shell that every service's REST interface stands in."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from madang_common import problems
from madang_common.health import Health, health_router
from madang_common.http.cors import Cors
from madang_common.http.field_errors import field_errors, sentence
from madang_common.http.methods import HeadAsGet, allow
from madang_common.http.middleware import CheckHost, LimitBody, Observe
from madang_common.http.openapi import problem_types
from madang_common.http.request_limit import LimitRequests
from madang_common.http.responses import (
    SecurityHeaders,
    ServerErrors,
    note_refusal,
    problem_response,
)
from madang_common.metrics import HttpMetrics, Merged
from madang_common.problems import InvalidBody, InvalidRequest, Problem, TooLarge
from madang_common.refusals import Refusals
from madang_common.settings import CommonSettings


def create_app(
    service: str,
    settings: CommonSettings,
    *,
    routers: Sequence[APIRouter],
    health: Health,
    registry: CollectorRegistry,
    beside: Sequence[CollectorRegistry] = (),
    refusals: Refusals | None = None,
) -> FastAPI:
    """Return the app of `service`, with all that requests have in common.

    Health, metrics, problems, request ids, security headers, CORS, allowed hosts, limits.
    `/metrics` shows `registry` and those `beside` it as one. Refusals are counted by `refusals`, or
    else in `registry`. The app has no lifespan: a service's
    `build` starts and stops what runs in the background.
    """
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # To the address in the request's Host, and to http where a proxy ends TLS: a client would
        # send a password there.
        redirect_slashes=False,
    )
    for router in (*routers, health_router(health), metrics_router([registry, *beside])):
        app.include_router(router)
    app.state.registry = registry
    app.state.health = health
    app.state.routers = routers
    app.state.refusals = refusals or Refusals(registry, service, problem_types(routers))
    http_metrics = HttpMetrics(registry, service)
    _answer_with_problems(app)
    # The last one added is the outermost.
    app.add_middleware(LimitBody, limit=settings.request_body_bytes)
    app.add_middleware(HeadAsGet)
    app.add_middleware(ServerErrors, metrics=http_metrics)
    app.add_middleware(CheckHost, hosts=settings.hosts)
    app.add_middleware(LimitRequests, settings=settings)
    app.add_middleware(Cors, origins=settings.allowed_origins)
    app.add_middleware(SecurityHeaders)
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


def _answer_with_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def told(request: Request, problem: Problem) -> JSONResponse:
        return _refused(request, problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = field_errors(error.errors()[: problems.MOST_ERRORS])
        return _refused(request, InvalidBody(sentence(errors[0]), errors=errors))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == TooLarge.status:
            return _refused(request, TooLarge(error.detail))
        if error.status_code == InvalidRequest.status:
            return _refused(request, InvalidRequest("The body cannot be read."))
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return _other_method(request)
        document = {
            "type": "about:blank",
            "title": HTTPStatus(error.status_code).phrase,
            "status": error.status_code,
        }
        if error.status_code == HTTPStatus.NOT_FOUND:
            document["detail"] = "Nothing is served at this path."
        return JSONResponse(
            document,
            status_code=error.status_code,
            headers=error.headers,
            media_type=problems.MEDIA_TYPE,
        )


def _refused(request: Request, problem: Problem) -> JSONResponse:
    """Return the response for `problem`, which is noted: unless the service itself has failed."""
    if type(problem) is not Problem:
        note_refusal(request.scope, problem)
    return problem_response(problem)


def _other_method(request: Request) -> Response:
    """Return the answer to a method that the path does not have: which ones it has."""
    allowed = allow(request.app.routes, request.scope)
    headers = {"Allow": allowed}
    if request.method == "OPTIONS":
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    status = HTTPStatus.METHOD_NOT_ALLOWED
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status,
        "detail": f"This path answers {allowed}.",
    }
    return JSONResponse(
        document, status_code=status, headers=headers, media_type=problems.MEDIA_TYPE
    )
