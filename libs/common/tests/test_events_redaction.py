"""What is left of the events of a deleted message."""

from typing import Any

import pytest

from madang_common.events.envelope import Event, read_line
from madang_common.events.kinds import KINDS
from madang_common.events.redaction import is_redacted, redacted

_ID = "000000000800"


def event(kind: str, data: dict[str, Any]) -> Event:
    return Event("k", kind, "mina", "Mina", "2026-01-01T00:00:00.000Z", data, "yard")


@pytest.mark.parametrize(
    ("kind", "data", "left"),
    [
        ("message.created", {"text": "hi"}, {"text": "", "redacted": True}),
        (
            "message.created",
            {
                "text": "hi",
                "type": "poll",
                "meta": {"a": 1},
                "reply_to": _ID,
                "thread": _ID,
                "mentions": ["jun"],
                "unknown": 1,
            },
            {"text": "", "type": "poll", "reply_to": _ID, "thread": _ID, "redacted": True},
        ),
        ("message.edited", {"message": _ID, "text": "ho"}, {"message": _ID, "redacted": True}),
        ("message.edited", {"message": _ID, "meta": {}}, {"message": _ID, "redacted": True}),
        ("message.edited", {"message": _ID, "text": None}, {"message": _ID}),
    ],
)
def test_the_content_goes_and_the_structure_stays(
    kind: str, data: dict[str, Any], left: dict[str, Any]
) -> None:
    before = event(kind, data)._replace(headers={"x-color": "red"})

    after = redacted(before)

    assert after == before._replace(data=left, headers={})
    assert is_redacted(after) is left.get("redacted", False)
    assert not is_redacted(before)
    assert redacted(after) == after
    assert read_line(after.line()) == after
    KINDS[kind].model_validate(after.data)


@pytest.mark.parametrize("kind", ["message.deleted", "reaction.added", "member.joined"])
def test_events_without_content_stay_as_they_are(kind: str) -> None:
    before = event(kind, {"message": _ID})

    assert redacted(before) is before
