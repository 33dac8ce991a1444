import pytest

from madang_common.problems import Banned, Problem, TooManyRequests, Unauthenticated, Unavailable
from madang_gateway.session import disconnects
from madang_gateway.session.disconnects import Disconnect, because_of

TABLE = [value for value in vars(disconnects).values() if isinstance(value, Disconnect)]


def test_every_code_has_one_meaning() -> None:
    assert len({why.code for why in TABLE}) == len(TABLE)
    assert len({why.reason for why in TABLE}) == len(TABLE)


def test_the_code_determines_whether_to_reconnect() -> None:
    for why in TABLE:
        assert why.reconnect == (why.code >= 4500 or why.code in {1011, 1012})


def test_every_code_and_reason_fits_into_a_close_frame() -> None:
    for why in TABLE:
        assert why.code in {1000, 1002, 1007, 1008, 1011, 1012} or 4000 <= why.code < 5000
        assert len(why.reason.encode()) <= 123


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (Unauthenticated(), 4401),
        (TooManyRequests(), 4529),
        (Unavailable(), 4503),
        (Banned("no"), 4403),
    ],
)
def test_a_problem_becomes_the_reason_of_the_close(problem: Problem, code: int) -> None:
    why = because_of(problem)

    assert (why.code, why.reason) == (code, problem.title)
