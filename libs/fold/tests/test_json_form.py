import json
from types import MappingProxyType
from typing import Any

import pytest

from madang_fold import Message, ThreadSummary, from_json, to_json

LEAST = {
    "id": "000000000800",
    "version": "000000000800",
    "sender": "minji",
    "sender_name": "Minji",
    "at": "2026-11-30T09:00:00.000Z",
    "type": "text",
}
SUMMARY = {
    "replies": 2,
    "last_reply": "000000000c00",
    "last_reply_at": "later",
    "participants": ["a"],
}
WITHOUT_TYPE = {name: value for name, value in LEAST.items() if name != "type"}


def test_the_form_has_plain_types_only() -> None:
    message = Message(
        "000000000800",
        "000000000c00",
        "minji",
        "Minji",
        "at",
        text="hi",
        meta=MappingProxyType({"a": 1}),
        attachments=(MappingProxyType({"file": "f1"}),),
        mentions=("junho",),
        reactions=MappingProxyType({"👍": ("sora",)}),
        thread_summary=ThreadSummary(2, "000000000c00", "later", ("a",)),
    )

    document = to_json(message)

    assert json.loads(json.dumps(document)) == document
    assert document["reactions"] == [{"emoji": "👍", "users": ["sora"]}]
    assert document["thread_summary"] == SUMMARY
    assert from_json(document) == message


def test_a_null_is_absent_and_other_fields_are_ignored() -> None:
    nulls = dict.fromkeys(Message._fields) | {"mine": None}

    assert from_json(nulls | LEAST | {"counts": {"👍": 1}, "x": None}) == from_json(LEAST)
    assert to_json(from_json(LEAST)) == LEAST


@pytest.mark.parametrize(
    "document",
    [
        {},
        WITHOUT_TYPE,
        LEAST | {"id": None},
        LEAST | {"at": 5},
        LEAST | {"text": ["hi"]},
        LEAST | {"meta": []},
        LEAST | {"attachments": {}},
        LEAST | {"attachments": ["f1"]},
        LEAST | {"mentions": "junho"},
        LEAST | {"mentions": [1]},
        LEAST | {"reactions": {"👍": ["a"]}},
        LEAST | {"reactions": [{"emoji": "👍"}]},
        LEAST | {"reactions": [{"users": ["a"]}]},
        LEAST | {"reactions": [{"emoji": "👍", "users": "a"}]},
        LEAST | {"thread_summary": 5},
        LEAST | {"thread_summary": SUMMARY | {"replies": "2"}},
        LEAST | {"thread_summary": SUMMARY | {"participants": None}},
        LEAST | {"thread_summary": {"replies": 1}},
    ],
    ids=repr,
)
def test_what_is_no_message_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a message"):
        from_json(document)
