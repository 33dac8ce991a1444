"""`create_app`: the FastAPI app of a service, with the middleware that all services share."""

from collections.abc import Mapping, Sequence
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
from madang_common.metrics import DependencyMetrics, HttpMetrics, Merged
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
    more_registries: Sequence[CollectorRegistry] = (),
    refusals: Refusals | None = None,
) -> FastAPI:
    """Return the app of `service` with `routers`, health, metrics, problems and all middleware.

    `/metrics` merges `registry` and `more_registries`. `refusals` counts refused requests; by
    default a new one in `registry` does. The app has no lifespan: the service's `build` starts and
    stops its background tasks.
    """
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect would go to the address in the request's Host, and to http behind a proxy that
        # terminates TLS; a client would send its password there.
        redirect_slashes=False,
        # `madang_common.metrics` and the log have what an operator needs; this would look for
        # OpenTelemetry's providers in the environment for each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    metrics = metrics_router(
        [registry, *more_registries], DependencyMetrics(registry, service, health)
    )
    for router in (*routers, health_router(health), metrics):
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


def metrics_router(
    registries: Sequence[CollectorRegistry], dependencies: DependencyMetrics
) -> APIRouter:
    """Return `/metrics`: `registries`, merged, in Prometheus' text format."""
    router = APIRouter(include_in_schema=False)
    registry = CollectorRegistry()
    registry.register(Merged(registries))

    @router.get("/metrics")
    async def metrics() -> Response:
        await dependencies.update()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _answer_with_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> JSONResponse:
        return _refused(request, problem)

    @app.exception_handler(RequestValidationError)
    async def on_invalid_fields(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = field_errors(error.errors()[: problems.MAX_ERRORS])
        return _refused(request, InvalidBody(sentence(errors[0]), errors=errors))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == TooLarge.status:
            return _refused(request, TooLarge(error.detail))
        if error.status_code == InvalidRequest.status:
            return _refused(request, InvalidRequest("The body cannot be read."))
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return _unsupported_method(request)
        status = HTTPStatus(error.status_code)
        detail = "There is no resource at this path." if status is HTTPStatus.NOT_FOUND else ""
        return _status_response(status, detail, error.headers)


def _refused(request: Request, problem: Problem) -> JSONResponse:
    """Return the response for `problem`; log and count it."""
    note_refusal(request.scope, problem)
    return problem_response(problem)


def _unsupported_method(request: Request) -> Response:
    """Return the response to OPTIONS, or to a method that the path does not support."""
    allowed = allow(request.app.routes, request.scope)
    headers = {"Allow": allowed}
    if request.method == "OPTIONS":
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    detail = f"This path supports {allowed}."
    return _status_response(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers)


def _status_response(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None
) -> JSONResponse:
    """Return a problem that says no more than its status and `detail` (RFC 9457 section 4.2.1)."""
    document = {"type": "about:blank", "title": status.phrase, "status": status}
    if detail:
        document["detail"] = detail
    return JSONResponse(
        document, status_code=status, headers=headers, media_type=problems.MEDIA_TYPE
    )
