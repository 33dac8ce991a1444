"""The published OpenAPI documents: valid, public routes alone, and errors as they can occur."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from madang_common import problems

ROOT = Path(__file__).parents[2]
MERGED = ROOT / "web" / "public" / "openapi.json"
SERVICES = sorted((ROOT / "contracts" / "openapi").glob("*.json"))

USER = {401, 429, 503}
"""Of every route that takes a token."""
PARAMETERS = {422}
BODY = {400, 413, 422}
REFUSALS = {
    # auth
    "register": BODY | {409, 429, 503},
    "logIn": BODY | {401, 403, 429, 503},
    "refresh": BODY | {401, 429, 503},
    "logOut": BODY | {401, 429, 503},
    "getMe": USER,
    "changePassword": USER | BODY | {403, 409},
    "listLogins": USER,
    "endLogin": USER | PARAMETERS | {404},
    "getKeys": {429},
    # users and rooms
    "lookUpUsers": USER | PARAMETERS,
    "getUser": USER | PARAMETERS | {404},
    "createRoom": USER | BODY | {403, 409},
    "openDirectRoom": USER | BODY | {403, 404, 409},
    "listMyRooms": USER | PARAMETERS | {400},
    "listPublicRooms": USER | PARAMETERS | {400},
    "getRoom": USER | PARAMETERS | {403, 404},
    "renameRoom": USER | BODY | {403, 404, 409},
    "archiveRoom": USER | PARAMETERS | {403, 404, 409},
    "hideRoom": USER | PARAMETERS | {403, 404, 409},
    "unhideRoom": USER | PARAMETERS | {403, 404, 409},
    # the members of rooms, and who may not be one
    "joinRoom": USER | PARAMETERS | {403, 404, 409},
    "leaveRoom": USER | PARAMETERS | {403, 404, 409},
    "listMembers": USER | PARAMETERS | {400, 403, 404},
    "removeMember": USER | PARAMETERS | {403, 404, 409},
    "changeRole": USER | BODY | {403, 404, 409},
    "listBans": USER | PARAMETERS | {400, 403, 404, 409},
    "getBan": USER | PARAMETERS | {403, 404, 409},
    "banUser": USER | BODY | {403, 404, 409},
    "liftBan": USER | PARAMETERS | {403, 404, 409},
    # invites to rooms, and who may not invite
    "createInvite": USER | BODY | {403, 404, 409},
    "listInvites": USER | PARAMETERS | {400, 403, 404, 409},
    "revokeInvite": USER | PARAMETERS | {403, 404, 409},
    "listReceivedInvites": USER | PARAMETERS | {400},
    "acceptInvite": USER | PARAMETERS | {403, 404, 409, 410},
    "declineInvite": USER | PARAMETERS | {403, 404, 409},
    "listBlocks": USER | PARAMETERS | {400},
    "getBlock": USER | PARAMETERS | {404},
    "blockUser": USER | PARAMETERS | {403, 404, 409},
    "unblockUser": USER | PARAMETERS | {403},
    # history
    "listMessages": USER | PARAMETERS | {400, 403, 404},
    "countMessages": USER | PARAMETERS | {403, 404},
    "getMessage": USER | PARAMETERS | {403, 404},
    "listReplies": USER | PARAMETERS | {400, 403, 404},
    "listVersions": USER | PARAMETERS | {403, 404},
    "listPins": USER | PARAMETERS | {400, 403, 404},
    "listEvents": USER | PARAMETERS | {400, 403, 404},
    "getEvent": USER | PARAMETERS | {403, 404},
    # gateway
    "sendMessage": USER | BODY | {403, 404, 409},
    "editMessage": USER | BODY | {403, 404, 409},
    **dict.fromkeys(
        ["deleteMessage", "addReaction", "removeReaction", "pinMessage", "unpinMessage"],
        # 400: a key with characters that cannot be printed
        USER | PARAMETERS | {400, 403, 404, 409},
    ),
    "listPresent": USER | PARAMETERS | {403, 404},
}
"""The errors of each operation, as its code raises them."""


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


@pytest.fixture(scope="module")
def merged() -> dict[str, Any]:
    return read(MERGED)


@pytest.mark.parametrize("path", [MERGED, *SERVICES], ids=lambda path: path.stem)
def test_documents_are_valid(path: Path) -> None:
    validate(read(path))


@pytest.mark.parametrize("path", [MERGED, *SERVICES], ids=lambda path: path.stem)
def test_documents_tell_of_nothing_internal(path: Path) -> None:
    document = read(path)

    for route in document["paths"]:
        assert route.startswith(("/api/", "/.well-known/")), route
    text = path.read_text(encoding="utf-8")
    for inside in ("/internal", "ValidationError", "password_hash", "ServiceToken", "/metrics"):
        assert inside not in text


def test_the_merged_document_has_every_operation_of_every_service(merged: dict[str, Any]) -> None:
    of_services = [
        operation["operationId"] for path in SERVICES for operation in operations(read(path))
    ]

    assert len(of_services) == len(set(of_services))
    assert sorted(of_services) == sorted(
        operation["operationId"] for operation in operations(merged)
    )


def test_every_operation_answers_the_errors_that_can_occur(merged: dict[str, Any]) -> None:
    told = {
        operation["operationId"]: {int(status) for status in operation["responses"]}
        for operation in operations(merged)
    }

    assert told.keys() == REFUSALS.keys()
    for name, statuses in told.items():
        assert {status for status in statuses if status >= 400} == REFUSALS[name], name
        assert any(status < 300 for status in statuses), name


def test_every_error_is_a_problem_of_its_status(merged: dict[str, Any]) -> None:
    schema = Draft202012Validator(merged["components"]["schemas"]["Problem"])

    for operation in operations(merged):
        for status, response in operation["responses"].items():
            if int(status) < 400:
                continue
            content = response["content"][problems.MEDIA_TYPE]
            assert content["examples"]
            for slug, reference in content["examples"].items():
                example = merged["components"]["examples"][reference["$ref"].rpartition("/")[2]]
                schema.validate(example["value"])
                assert example["value"]["type"] == f"urn:madang:problem:{slug}"
                assert example["value"]["status"] == int(status)


def bodies(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schemas of what is sent and of what is answered if all goes well."""
    if "requestBody" in operation:
        yield operation["requestBody"]["content"]["application/json"]["schema"]
    for status, response in operation["responses"].items():
        if int(status) < 400 and "content" in response:
            yield response["content"]["application/json"]["schema"]


def names(schema: Any) -> set[str]:
    return set(re.findall(r"#/components/schemas/(\w+)", json.dumps(schema)))


def test_every_body_has_an_example_that_fits(merged: dict[str, Any]) -> None:
    schemas = merged["components"]["schemas"]
    asked = {name for found in operations(merged) for body in bodies(found) for name in names(body)}
    # A page shows the examples of its items.
    pages = {name for name in asked if "items" in schemas[name]["properties"]}
    asked |= {name for page in pages for name in names(schemas[page]["properties"]["items"])}

    assert len(asked) > 30
    for name in asked:
        examples = schemas[name].get("examples", [])
        assert examples or name in pages, name
        for example in examples:
            Draft202012Validator(
                {"$ref": f"#/components/schemas/{name}", "components": merged["components"]}
            ).validate(example)


def test_operations_say_what_they_need_and_belong_to_a_described_tag(
    merged: dict[str, Any],
) -> None:
    tags = {tag["name"] for tag in merged["tags"] if tag["description"]}

    for operation in operations(merged):
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        assert operation["description"]
        assert "." not in operation["operationId"]
        needs = operation.get("security", [])
        assert ("401" in operation["responses"]) == bool(needs) or operation["operationId"] in {
            "logIn",
            "refresh",
        }
    assert merged["servers"][0]["url"] == "/"
    assert merged["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
