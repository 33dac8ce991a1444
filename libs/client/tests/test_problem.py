import orjson
import pytest

from madang_client import (
    Banned,
    KeyConflict,
    MessageDeleted,
    NotAMember,
    Refused,
    TooManyReactions,
    TooManyRequests,
    Unavailable,
)
from madang_client.problem import refusal


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"type": "urn:madang:problem:not-a-member", "status": 403}, NotAMember),
        ({"type": "urn:madang:problem:banned", "status": 403}, Banned),
        ({"type": "urn:madang:problem:key-conflict", "status": 409}, KeyConflict),
        ({"type": "urn:madang:problem:message-deleted", "status": 409}, MessageDeleted),
        ({"type": "urn:madang:problem:too-many-reactions", "status": 409}, TooManyReactions),
        ({"type": "urn:madang:problem:of-tomorrow", "status": 429}, TooManyRequests),
        ({"type": "about:blank", "status": 418}, Refused),
    ],
)
def test_a_problem_is_mapped_by_type_or_else_by_status(
    document: dict[str, object], kind: type[Refused]
) -> None:
    assert type(refusal(orjson.dumps(document))) is kind


def test_a_response_without_a_problem_is_mapped_by_status() -> None:
    found = refusal(b"<html>", status=502, reason="502 Bad Gateway")

    assert isinstance(found, Unavailable)
    assert str(found) == "502 Bad Gateway"


def test_the_message_names_the_invalid_fields() -> None:
    errors = [
        {"field": "body.display_name", "message": "at least 1 characters"},
        {"field": "body.password", "message": "required"},
    ]
    document = {"title": "A field is wrong", "detail": "see errors", "errors": errors}

    assert str(refusal(orjson.dumps(document), status=422)) == (
        "Display name: at least 1 characters; Password: required"
    )


def test_the_message_is_the_detail_or_the_title() -> None:
    document = {"title": "The current state does not allow this", "status": 409}

    assert str(refusal(orjson.dumps(document))) == "The current state does not allow this"
    document["detail"] = "This username is taken."
    assert str(refusal(orjson.dumps(document))) == "This username is taken."


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("0", 0), ("-1", None), ("inf", None), ("Fri, 1 Jan", None)]
)
def test_retry_after_is_parsed_as_seconds(text: str, seconds: float | None) -> None:
    assert refusal(b"", status=429, retry_after=text).retry_after_seconds == seconds
