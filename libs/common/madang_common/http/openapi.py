"""OpenAPI of a service's public routes, with the problems of each.

A route declares the problems that it raises itself: `responses=refuses(NotFound, Conflict)`. The
problems that follow from its signature (a token, parameters, a body) are added here.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import ConfigDict

from madang_common import problems
from madang_common.http.hosts import UnknownHost
from madang_common.http.security import asking_user
from madang_common.problems import (
    InvalidBody,
    InvalidRequest,
    Problem,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)

VERSION = "1"
BEARER = "bearer"
"""Name of the security scheme."""
OPTIONAL_BEARER: Mapping[str, Any] = {"security": [{BEARER: []}, {}]}
"""`openapi_extra` of a route with an optional token."""
SECURITY_SCHEME: Mapping[str, str] = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The access token that `POST /api/auth/v1/login` returns.",
}
PROBLEM_SCHEMA: Mapping[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "An error (RFC 9457). Some types have further members, such as `limit`.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {
            "type": "string",
            "description": "Names the kind of problem and never changes.",
        },
        "title": {"type": "string", "description": "The kind of problem, for people."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened this time, for people."},
        "retry_after_seconds": {
            "type": "integer",
            "description": "Seconds to wait before the next try, as in Retry-After.",
        },
        "errors": {
            "type": "array",
            "description": "The invalid fields of the request.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
    "additionalProperties": True,
}

_PUBLIC = ("/api/", "/.well-known/")
_SERVERS = [{"url": "/", "description": "The server that this document comes from."}]
_LEAST_ERROR = HTTPStatus.BAD_REQUEST
_CAN_RETRY = frozenset({TooManyRequests.status, Unavailable.status})
_EXAMPLE_RETRY_SECONDS = 3
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PAGE = re.compile(r"\bPage(?:_(\w+?)_|\[(\w+)\])(?=\")")
"""Name of a generic page as a schema, and as a title."""
_REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')

Document = dict[str, Any]


def refuses(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that raises problems of these kinds."""
    statuses = dict.fromkeys(kind.status for kind in kinds)
    return {
        status: _response(status, [kind for kind in kinds if kind.status == status])
        for status in statuses
    }


def example(body: dict[str, Any]) -> ConfigDict:
    """Return the `model_config` of a model with `body` as its example."""
    return ConfigDict(json_schema_extra={"examples": [body]})


def public_routes(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    """Yield the routes of `routers` that clients may use."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.path.startswith(_PUBLIC):
                yield route


def problems_of(route: APIRoute) -> list[type[Problem]]:
    """Return the kinds of problems that `route` may return, by status and slug."""
    known = problems.kinds()
    declared = {known[slug] for response in route.responses.values() for slug in _slugs(response)}
    return sorted(declared | set(_implied(route)), key=lambda kind: (kind.status, kind.slug))


def problem_types(routers: Iterable[APIRouter]) -> list[str]:
    """Return the slugs of all problems that the public routes of `routers` may return."""
    kinds = {kind for route in public_routes(routers) for kind in problems_of(route)}
    return sorted(kind.slug for kind in kinds | {TooManyRequests, UnknownHost})


def document(title: str, description: str, routers: Sequence[APIRouter]) -> Document:
    """Return the OpenAPI document of the public routes of `routers`."""
    routes = list(public_routes(routers))
    found: Document = get_openapi(
        title=title, version=VERSION, description=description, routes=routes, servers=_SERVERS
    )
    for route in routes:
        for method in route.methods or ():
            _complete(found["paths"][route.path_format][method.lower()], route)
    found = json.loads(_PAGE.sub(_page_name, json.dumps(found)))
    schemas = found.get("components", {}).get("schemas", {}) | {"Problem": PROBLEM_SCHEMA}
    found["paths"] = dict(sorted(found["paths"].items()))
    kinds = {kind.slug: kind for route in routes for kind in problems_of(route)}
    found["components"] = {
        "schemas": _used(schemas, found["paths"]),
        "examples": {slug: _example(kinds[slug]) for slug in sorted(kinds)},
    }
    if any(_asks_user(route) for route in routes):
        found["components"]["securitySchemes"] = {BEARER: SECURITY_SCHEME}
    return found


def _used(schemas: Mapping[str, Any], paths: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `schemas` that `paths` refer to, sorted by name.

    FastAPI adds schemas for its own errors, which are not used here.
    """
    used: set[str] = set()
    found = set(_REFERENCE.findall(json.dumps(paths)))
    while found:
        used |= found
        texts = (json.dumps(schemas[name]) for name in found)
        found = {name for text in texts for name in _REFERENCE.findall(text)} - used
    return {name: schemas[name] for name in sorted(used)}


def _complete(operation: Document, route: APIRoute) -> None:
    """Give `operation` its id, summary, security and errors."""
    operation["operationId"] = route.operation_id or _camel_case(route.name)
    operation["summary"] = route.summary or _in_words(operation["operationId"])
    if _asks_user(route):
        operation["security"] = [{BEARER: []}]
    answers = {
        status: answer
        for status, answer in operation["responses"].items()
        if int(status) < _LEAST_ERROR
    }
    for status, answer in answers.items():
        answer["description"] = HTTPStatus(int(status)).phrase
    refused = refuses(*problems_of(route))
    operation["responses"] = answers | {
        str(status): response for status, response in refused.items()
    }


def _implied(route: APIRoute) -> Iterator[type[Problem]]:
    """Yield the problems that follow from the signature of `route`."""
    yield TooManyRequests
    if _asks_user(route):
        yield Unauthenticated
        # The key of a token may have to be fetched.
        yield Unavailable
    if route.body_field is not None:
        yield from (InvalidRequest, TooLarge, InvalidBody)
    if any(part.path_params or part.query_params for part in _parts(route.dependant)):
        yield InvalidBody


def _asks_user(route: APIRoute) -> bool:
    return any(part.call is asking_user for part in _parts(route.dependant))


def _parts(dependant: Dependant) -> Iterator[Dependant]:
    """Yield `dependant` and all that it depends on."""
    yield dependant
    for dependency in dependant.dependencies:
        yield from _parts(dependency)


def _slugs(response: Mapping[str, Any]) -> Iterable[str]:
    slugs: Iterable[str] = (
        response.get("content", {}).get(problems.MEDIA_TYPE, {}).get("examples", ())
    )
    return slugs


def _response(status: int, kinds: Sequence[type[Problem]]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "; ".join(kind.title for kind in kinds),
        "content": {
            problems.MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {
                    kind.slug: {"$ref": f"#/components/examples/{kind.slug}"} for kind in kinds
                },
            }
        },
    }
    if status in _CAN_RETRY:
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait before the next try, where they are known.",
                "schema": {"type": "integer"},
            }
        }
    return response


def _example(kind: type[Problem]) -> dict[str, Any]:
    problem = kind()
    if kind is TooManyRequests:
        problem = kind(retry_after_seconds=_EXAMPLE_RETRY_SECONDS)
    if kind is InvalidBody:
        error = {"field": "body.name", "message": "required"}
        problem = kind("Name: required.", errors=[error])
    return {"summary": kind.title, "value": problem.document()}


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _in_words(operation_id: str) -> str:
    return _CAPITAL.sub(" ", operation_id).capitalize()


def _page_name(found: re.Match[str]) -> str:
    return f"{found[1] or found[2]}Page"
