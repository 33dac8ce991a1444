from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from madang_common.problems import Forbidden, Problem, TooManyRequests
from madang_common.refusals import Refusals


def test_every_kind_is_at_zero_from_the_start() -> None:
    registry = CollectorRegistry()

    Refusals(registry, "yard", ["forbidden", "not-found"])

    for kind in ("forbidden", "not-found"):
        assert registry.get_sample_value("madang_yard_refusals_total", {"type": kind}) == 0


def test_a_refusal_is_counted_and_logged_with_its_context() -> None:
    registry = CollectorRegistry()
    refusals = Refusals(registry, "yard", [])

    with capture_logs() as entries:
        refusals.note(
            Forbidden("This room is archived."), user="mina", room="r", session="s", receipt="7"
        )

    assert registry.get_sample_value("madang_yard_refusals_total", {"type": "forbidden"}) == 1
    assert entries == [
        {
            "event": "refused",
            "log_level": "info",
            "type": "forbidden",
            "detail": "This room is archived.",
            "user_id": "mina",
            "room": "r",
            "session_id": "s",
            "receipt_id": "7",
        }
    ]


def test_a_failure_of_the_service_is_not_a_refusal() -> None:
    registry = CollectorRegistry()

    with capture_logs() as entries:
        Refusals(registry, "yard", []).note(Problem(), user="mina")

    assert entries == []
    failures = registry.get_sample_value("madang_yard_refusals_total", {"type": Problem.slug})
    assert failures is None


def test_missing_ids_are_left_out_of_the_line() -> None:
    with capture_logs() as entries:
        Refusals(CollectorRegistry(), "yard", []).note(
            TooManyRequests(), user="", request="a-request"
        )

    (entry,) = entries
    assert entry["detail"] == "Too many requests"
    assert entry["request_id"] == "a-request"
    assert not {"user_id", "room", "session_id", "receipt_id"} & entry.keys()
