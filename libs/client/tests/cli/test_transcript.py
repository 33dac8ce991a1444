from datetime import UTC, datetime
from typing import Any

from madang_client import Event
from madang_client.cli.transcript import Transcript

TODAY = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)
AT = "2026-01-02T03:04:05.678Z"


def shown(transcript: Transcript, event_id: str, kind: str, **data: Any) -> str:
    event = Event(event_id, "k", kind, "id-ada", "Ada", AT, data)
    return transcript.line(event, TODAY).removeprefix("[03:04:05] ")


def texts(transcript: Transcript) -> list[str]:
    return [message.text for message in transcript.newest_first()]


def test_a_change_is_about_the_message_as_it_was_then() -> None:
    transcript = Transcript()
    shown(transcript, "1", "message.created", text="helo")

    lines = [
        shown(transcript, "2", "message.edited", message="1", text="hello"),
        shown(transcript, "3", "message.edited", message="1", meta={"a": 1}),
        shown(transcript, "4", "message.pinned", message="1"),
        shown(transcript, "5", "message.created", text="yes", reply_to="1"),
    ]

    assert lines == [
        "* “Ada” edited “helo”: hello",
        "* “Ada” edited “hello”",
        "* “Ada” pinned “hello”",
        "Ada, answering “hello”: yes",
    ]
    assert texts(transcript) == ["yes", "hello"]


def test_deleted_messages_are_not_kept() -> None:
    transcript = Transcript()
    shown(transcript, "1", "message.created", text="secret")
    shown(transcript, "2", "message.created", text="", redacted=True)

    shown(transcript, "3", "message.deleted", message="1")

    assert texts(transcript) == []
    assert shown(transcript, "4", "message.edited", message="2", redacted=True) == (
        "* “Ada” edited an earlier message"
    )


def test_only_the_last_messages_are_kept() -> None:
    transcript = Transcript()
    for number in range(1001):
        shown(transcript, str(number), "message.created", text=f"m{number}")

    assert texts(transcript) == [f"m{number}" for number in range(1000, 0, -1)]
