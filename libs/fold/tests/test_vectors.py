"""The vectors of contracts/fold, which hold for every implementation of the fold."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from madang_fold import Message, RoomEvent, fold_events, from_json, targets, to_json

FOLDER = Path(__file__).parents[3] / "contracts/fold"
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
SCHEMA = json.loads((FOLDER / "schema/vectors.schema.json").read_text("utf-8"))
CASES = {f"{theme}: {case['name']}": case for theme, cases in FILES.items() for case in cases}
WITH_TARGETS = {name: case for name, case in CASES.items() if "targets" in case}


def events_of(case: dict[str, Any]) -> list[RoomEvent]:
    return [RoomEvent(**event) for event in case["events"]]


def start_of(case: dict[str, Any]) -> list[Message]:
    return [from_json(message) for message in case.get("start", [])]


def restored(messages: Iterable[Message]) -> list[Message]:
    """Return `messages` after a way through JSON text."""
    return [from_json(json.loads(json.dumps(to_json(message)))) for message in messages]


def test_there_are_enough_cases_with_names_of_their_own() -> None:
    names = [case["name"] for cases in FILES.values() for case in cases]

    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("theme", FILES)
def test_each_file_fits_the_schema(theme: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    jsonschema.Draft202012Validator(SCHEMA).validate(FILES[theme])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_events_give_the_messages(case: dict[str, Any]) -> None:
    messages = fold_events(events_of(case), start_of(case), limit=case.get("limit"))

    assert [to_json(message) for message in messages.values()] == case["messages"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_messages_survive_a_round_trip(case: dict[str, Any]) -> None:
    assert [to_json(from_json(message)) for message in case["messages"]] == case["messages"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_repeated_prefix_changes_nothing(case: dict[str, Any]) -> None:
    events, limit = events_of(case), case.get("limit")

    for end in range(len(events) + 1):
        again = fold_events(events[:end], start_of(case), limit=limit)
        again = fold_events(events, again.values(), limit=limit)
        again = fold_events(events[:end], again.values(), limit=limit)

        assert [to_json(message) for message in again.values()] == case["messages"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_state_stored_after_any_event_continues(case: dict[str, Any]) -> None:
    events, limit = events_of(case), case.get("limit")

    for end in range(len(events) + 1):
        stored = restored(fold_events(events[:end], start_of(case), limit=limit).values())
        messages = fold_events(events[end:], stored, limit=limit)

        assert [to_json(message) for message in messages.values()] == case["messages"]


@pytest.mark.parametrize("case", WITH_TARGETS.values(), ids=WITH_TARGETS)
def test_the_events_have_the_targets(case: dict[str, Any]) -> None:
    assert [list(targets(event)) for event in events_of(case)] == case["targets"]
