import pytest

from madang_common import problems
from madang_common.problems import (
    Conflict,
    InvalidBody,
    KeyConflict,
    NotAMember,
    NotFound,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    from_document,
)

KINDS = list(problems.kinds().values())


def test_a_document_describes_the_problem() -> None:
    problem = NotFound("There is no such room.", room="r1")

    assert problem.document(instance="/x") == {
        "type": "urn:madang:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no such room.",
        "room": "r1",
        "instance": "/x",
    }
    assert str(problem) == "There is no such room."


def test_a_missing_detail_is_left_out() -> None:
    assert "detail" not in NotAMember().document()


def test_every_problem_has_its_own_type() -> None:
    assert len({kind("").type for kind in KINDS}) == len(KINDS)
    assert all(400 <= kind.status <= 503 for kind in KINDS)


def test_a_subclass_without_a_slug_does_not_replace_its_base() -> None:
    class StoreAway(Unavailable):
        pass

    understood = from_document(StoreAway().document(), StoreAway.status)

    assert type(understood) is Unavailable


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.slug))
def test_a_problem_round_trips_between_services(kind: type[Problem]) -> None:
    sent = kind("what happened", field="name")

    understood = from_document(sent.document(), sent.status)

    assert type(understood) is kind
    assert understood.document() == sent.document()


@pytest.mark.parametrize(
    ("document", "status", "kind"),
    [
        ({}, 404, NotFound),
        ({}, 409, Conflict),
        ({}, 403, problems.Forbidden),
        ({"type": "about:blank", "title": "Gone"}, 410, problems.Gone),
        ({"type": "urn:madang:problem:key-conflict"}, 409, KeyConflict),
        ({"type": "urn:madang:problem:of-a-later-version"}, 422, InvalidBody),
        ({"type": 7, "detail": None}, 401, Unauthenticated),
        ({}, 418, Problem),
    ],
)
def test_an_unknown_type_is_mapped_by_status(
    document: dict[str, object], status: int, kind: type[Problem]
) -> None:
    assert type(from_document(document, status)) is kind


def test_headers_have_challenge_and_retry_after() -> None:
    assert TooManyRequests(retry_after_seconds=0.2).headers() == {"Retry-After": "1"}
    assert TooManyRequests(retry_after_seconds=0.2).document()["retry_after_seconds"] == 1
    assert Unauthenticated().headers() == {"WWW-Authenticate": "Bearer"}
    assert NotFound().headers() == {}
