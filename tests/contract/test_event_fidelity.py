"""Every event that the log can have is read back from every store exactly as it was."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang_common.events.departures import Departures
from madang_common.events.envelope import Event, read_line
from madang_common.log.port import Batch
from madang_history.endpoint import MongoEndpoint
from madang_history.ingest.decode import decode_lines
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import connected
from madang_history.store.port import MessageStore, StoredEvent
from madang_history.store.sqlite import SqliteMessageStore

_POSITIONS = count(1)
"""Positions that no other event of this process has."""

SPECIAL = ["", "$", ".", "\0", "$ref", "$id", "$db", "$date", "$$a", "a$", "a.b", "__proto__"]
ESCAPES = ["%", "%24", "%2E%00", "%25", "%json", "$json"]
NAMES = ["_id", "text", "room", "at", "escaped", "at_text"]
KEYS = st.text() | st.sampled_from([*SPECIAL, *ESCAPES, *NAMES])
NUMBERS = (
    st.integers(-(2**63), 2**64 - 1)
    | st.sampled_from([2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -0.0, 1e308, 5e-324])
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.text(min_size=1, alphabet="\0.$%\ud7ff"),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
TIMES = (
    st.datetimes().map(lambda time: f"{time.isoformat(timespec='milliseconds')}Z")
    | st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat())
    | st.text()
    | st.sampled_from(
        [
            "2026-01-31T09:00:00Z",
            "2026-01-31T09:00:00.000z",
            "2026-01-31T09:00:00.123456Z",
            "2026-01-31T24:00:00.000Z",
            "2026-W05-6T09:00:00.000Z",
            "2026-01-31 09:00:00.000Z",
            "2026-01-31T09:00:00.000+00:00Z",
            "0001-01-01T00:00:00.000+14:00",
            "9999-12-31T23:59:59.999-14:00",
            "9999-12-31T23:59:59.999Z",
        ]
    )
)


@st.composite
def _nested(draw: st.DrawFn) -> Any:
    """Draw a value in up to 240 objects and lists, as deep as a line of the log may be."""
    value = draw(VALUES)
    kinds = draw(st.lists(st.booleans() | KEYS, max_size=20))
    for key in kinds * draw(st.integers(1, 12)):
        value = {key: value} if isinstance(key, str) else [value]
    return value


DATA = st.dictionaries(KEYS, VALUES | _nested(), max_size=6) | st.fixed_dictionaries(
    {"text": st.text(min_size=1)}, optional={"meta": _nested(), "type": st.text(), "at": VALUES}
)


@st.composite
def _event(draw: st.DrawFn) -> Event:
    is_room = draw(st.booleans())
    recipient = draw(st.text(max_size=20))
    return Event(
        key=draw(st.text(max_size=20)),
        kind=draw(st.sampled_from(["message.created", "member.joined"]) | st.text(max_size=20)),
        sender=draw(st.text(max_size=20)),
        sender_name=draw(st.text(max_size=20)),
        at=draw(TIMES),
        data=draw(DATA),
        room=recipient if is_room else None,
        user=None if is_room else recipient,
        headers=draw(st.just({}) | st.dictionaries(KEYS, st.text(), max_size=4)),
    )


@pytest.fixture(params=["sqlite", "mongo"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MessageStore]:
    if request.param == "sqlite":
        store: MessageStore = await SqliteMessageStore.open(tmp_path / "messages.db", 1)
        yield store
        await store.close()
        return
    endpoint = MongoEndpoint.at(request.getfixturevalue("mongo_url"))
    name = request.getfixturevalue("mongo_database")
    async with connected(endpoint, name, timeout_seconds=10, connections=2) as database:
        yield await MongoMessageStore.open(database, 1)


async def check(store: MessageStore, drawn: list[Event]) -> None:
    """Store events; check that they are returned as clients received them from the log."""
    lines = {}
    for event in drawn:
        position = next(_POSITIONS)
        lines[position] = event._replace(key=f"{position} {event.key}").line()
    sent = {position: read_line(line) for position, line in lines.items()}

    await store.store(0, [StoredEvent(*one) for one in sent.items()], 1)

    for position, event in sent.items():
        (listed,) = await store.after(event.audience, position - 1, 1)
        found = await store.by_key(event.audience, event.sender, event.key)
        assert found == listed == await store.get(event.audience, position)
        assert found.event.line() == lines[position]
        assert found.event.body(position) == event.body(position, lines[position])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(events=st.lists(_event(), min_size=1, max_size=4))
async def test_any_event_is_read_back_as_it_was(store: MessageStore, events: list[Event]) -> None:
    await check(store, events)


NUMBERS_ONLY = [0] * 2_000_000
DEEP: Any = "core"
for _ in range(240):
    DEEP = [{"a.b": DEEP}] if DEEP == "core" else [DEEP]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"text": "a", "meta": NUMBERS_ONLY}, id="BSON above 16 MiB"),
        pytest.param({"text": "a", "." * 4_000_000: [1]}, id="a long key to escape"),
        pytest.param({"text": "a" * 4_000_000, "meta": [0] * 2_000_000}, id="also a long text"),
        pytest.param({"text": "a", "meta": DEEP}, id="240 levels"),
        pytest.param({"text": "a", "meta": [1e15] * 400_000}, id="numbers that become longer"),
        pytest.param({"text": {"no": "text"}, "_id": 5}, id="a text that is none"),
        pytest.param({}, id="nothing"),
    ],
)
async def test_data_that_bson_cannot_express_is_read_back(
    store: MessageStore, data: dict[str, Any]
) -> None:
    event = Event("k", "message.created", "ana", "안나", "2026-01-01T00:00:00.000Z", data, "yard")

    await check(store, [event])


async def test_the_largest_events_that_ingest_accepts_are_stored(store: MessageStore) -> None:
    numbers: Any = [0] * 524_000  # nobody checks the values of headers
    long_id = Event("k", "message.created", "ana", "", "", {"text": "a"}, "r" * 65_000)
    numbers_twice = long_id._replace(data={"text": "a", "n": numbers}, headers={"n": numbers})
    text_too = long_id._replace(data={"text": "a" * 7_200_000, "n": []}, headers={"n": numbers[9:]})
    keyed = [numbers_twice, text_too._replace(headers={"n": numbers[:350_000]}), long_id]
    lines = tuple(event._replace(key=f"{n}").line() for n, event in enumerate(keyed))

    decoded = decode_lines([Batch(7, lines)], 0, 1, Departures())
    await store.store(0, decoded.entries, 8)

    assert [entry.event.line() for entry in decoded.entries] == list(lines)
    for entry in decoded.entries:
        assert await store.get(entry.event.audience, entry.position) == entry
