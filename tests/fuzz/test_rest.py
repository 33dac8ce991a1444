"""Requests made from the contracts: no 5xx, answers as promised, and every error a problem."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.embedded import Embedded
from tests.e2e.people import Person, register, shared_room
from tests.fuzz.campaign import Campaign
from tests.support.test_settings import TEST_SETTINGS

_CONTRACTS = Path(__file__).parents[2] / "contracts" / "openapi"
_SETTINGS = {
    # Most answers would be 429.
    "MADANG_USER_CHANGES_PER_SECOND": "100000",
    "MADANG_LOGIN_FAILURES_PER_ADDRESS": "100000",
    "MADANG_SENDS_PER_SECOND": "100000",
    "MADANG_SENDS_BURST": "100000",
}
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_AUTH = "/api/auth/"
"""Requests there may end a login."""
_LEAST_ERROR = 400
_PROBLEM = "application/problem+json"


def _operations() -> Iterator[Any]:
    """Yield every operation of every service."""
    for path in sorted(_CONTRACTS.glob("*.json")):
        schema = schemathesis.openapi.from_dict(json.loads(path.read_text(encoding="utf-8")))
        for found in schema.get_all_operations():
            assert isinstance(found, Ok), found
            operation = found.ok()
            yield pytest.param(operation, id=f"{path.stem} {operation.label}")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    product = Embedded.start(tmp_path_factory.mktemp("fuzzed"), **(TEST_SETTINGS | _SETTINGS))
    yield product
    product.stop()
    assert product.errors() == []


@pytest.fixture(scope="module")
def client(product: Embedded) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=product.url, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def people(client: httpx.Client) -> tuple[Person, Person]:
    """Yield the user of the tested requests, and a user who shares rooms with them."""
    return register(client, "fuzz"), register(client, "other")


@pytest.fixture
def known(people: tuple[Person, Person]) -> dict[str, list[str]]:
    """Give values of parameters that mean something."""
    person, other = people
    room = shared_room(person, other)
    path = f"/api/gateway/v1/rooms/{room}/messages"
    message = person.call("POST", path, status=201, json={"text": "hi"})["id"]
    invites = f"/api/rooms/v1/rooms/{shared_room(other)}/invites"
    return {
        "room": [room],
        "member": [other.id, person.id],
        "banned": [other.id],
        "user": [other.id, person.id],
        "message": [message],
        "before": [message],
        "after": [message],
        "around": [message],
        "code": [other.call("POST", invites, status=201, json={})["code"]],
    }


@pytest.mark.parametrize("operation", list(_operations()))
def test_every_answer_is_as_the_contract_says(
    product: Embedded,
    client: httpx.Client,
    people: tuple[Person, Person],
    known: dict[str, list[str]],
    campaign: Campaign,
    operation: APIOperation[Any, Any, Any, Any],
) -> None:
    person = register(client, "own") if operation.path.startswith(_AUTH) else people[0]
    headers = {"Authorization": f"Bearer {person.token}"}

    cases = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

    @given(st.one_of(cases), st.data())
    def answered(case: Case[Any], data: st.DataObject) -> None:
        for given_values in (case.path_parameters, case.query, case.body):
            if not isinstance(given_values, dict):
                continue
            for name in given_values.keys() & known.keys():
                if data.draw(st.booleans()):
                    given_values[name] = data.draw(st.sampled_from(known[name]))

        answer = case.call(base_url=product.url, headers=headers, timeout=20)

        case.validate_response(answer, checks=_CHECKS)
        if answer.status_code >= _LEAST_ERROR:
            assert answer.headers["content-type"] == [_PROBLEM]
            assert answer.json()["status"] == answer.status_code

    campaign.run(answered, examples=8)
