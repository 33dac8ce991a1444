from typing import Annotated, Any, Generic, TypeVar

import pytest
from fastapi import APIRouter, Path
from pydantic import BaseModel

from madang_common.http.bodies import Body
from madang_common.http.openapi import (
    OPTIONAL_BEARER,
    document,
    example,
    problem_types,
    problems_of,
    public_routes,
    refuses,
)
from madang_common.http.security import User
from madang_common.problems import Banned, Conflict, Forbidden, NotAMember, NotFound

Item = TypeVar("Item")


class NewYard(Body):
    model_config = example({"name": "마당"})

    name: str


class YardView(BaseModel):
    id: str


class Page(BaseModel, Generic[Item]):
    items: list[Item]


class Secret(BaseModel):
    password_hash: str


router = APIRouter(prefix="/api/yards/v1", tags=["yards"])
inside = APIRouter(prefix="/internal", tags=["internal"])


@router.post("/yards", status_code=201, responses=refuses(Forbidden, Banned, Conflict))
async def create_yard(_: User, body: NewYard) -> YardView:
    """Make a yard."""
    return YardView(id=body.name)


@router.get("/yards", operation_id="listYards")
async def everything(_: User) -> Page[YardView]:
    return Page(items=[])


@router.get("/yards/{yard}", responses=refuses(NotFound))
async def get_yard(yard: Annotated[str, Path(max_length=64)]) -> YardView:
    return YardView(id=yard)


@router.post("/leave", openapi_extra=dict(OPTIONAL_BEARER))
async def leave() -> None:
    return


@inside.get("/secrets", responses=refuses(NotAMember))
async def secrets() -> Secret:
    return Secret(password_hash="x")


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return document("Yards", "Yards of people.", [router, inside])


def statuses(openapi: dict[str, Any], method: str, path: str) -> set[str]:
    return set(openapi["paths"][f"/api/yards/v1{path}"][method]["responses"])


def test_only_public_routes_are_documented(openapi: dict[str, Any]) -> None:
    assert all(path.startswith("/api/") for path in openapi["paths"])
    assert "Secret" not in openapi["components"]["schemas"]
    assert "not-a-member" not in openapi["components"]["examples"]


def test_a_route_has_its_declared_and_its_implied_problems(
    openapi: dict[str, Any],
) -> None:
    limited, user, body = {"429"}, {"401", "503"}, {"400", "413", "422"}

    assert statuses(openapi, "post", "/yards") == {"201", "403", "409"} | limited | user | body
    assert statuses(openapi, "get", "/yards") == {"200"} | limited | user
    assert statuses(openapi, "get", "/yards/{yard}") == {"200", "404", "422"} | limited
    assert statuses(openapi, "post", "/leave") == {"200"} | limited


def test_an_error_is_a_problem_with_an_example_of_each_type(openapi: dict[str, Any]) -> None:
    responses = openapi["paths"]["/api/yards/v1/yards"]["post"]["responses"]
    (media_type,) = responses["403"]["content"]

    assert media_type == "application/problem+json"
    content = responses["403"]["content"][media_type]
    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert set(content["examples"]) == {"forbidden", "banned"}
    banned = openapi["components"]["examples"]["banned"]
    assert banned["value"]["type"] == "urn:madang:problem:banned"
    assert "Retry-After" in responses["429"]["headers"]


def test_operations_have_short_ids_and_plain_summaries(openapi: dict[str, Any]) -> None:
    made = openapi["paths"]["/api/yards/v1/yards"]["post"]
    listed = openapi["paths"]["/api/yards/v1/yards"]["get"]

    assert (made["operationId"], made["summary"]) == ("createYard", "Create yard")
    assert (listed["operationId"], listed["summary"]) == ("listYards", "List yards")
    assert made["description"] == "Make a yard."
    assert made["responses"]["201"]["description"] == "Created"


def test_security_is_required_where_a_token_is_needed(openapi: dict[str, Any]) -> None:
    paths = openapi["paths"]

    assert paths["/api/yards/v1/yards"]["get"]["security"] == [{"bearer": []}]
    assert paths["/api/yards/v1/leave"]["post"]["security"] == [{"bearer": []}, {}]
    assert "security" not in paths["/api/yards/v1/yards/{yard}"]["get"]
    assert openapi["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_schemas_are_those_that_are_used_with_plain_names(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]

    assert set(schemas) == {"NewYard", "Problem", "YardView", "YardViewPage"}
    assert schemas["YardViewPage"]["title"] == "YardViewPage"
    assert schemas["NewYard"]["examples"] == [{"name": "마당"}]


def test_problems_of_a_route_are_in_the_order_of_their_statuses() -> None:
    route = next(public_routes([router]))

    kinds = problems_of(route)

    assert [kind.status for kind in kinds] == sorted(kind.status for kind in kinds)
    assert {Forbidden, Banned, Conflict} <= set(kinds)


def test_the_types_of_a_service_are_those_of_its_public_routes_and_its_middleware() -> None:
    types = problem_types([router, inside])

    assert {"forbidden", "banned", "not-found", "too-many-requests", "unknown-host"} <= set(types)
    assert "not-a-member" not in types
    assert problem_types([]) == ["too-many-requests", "unknown-host"]
