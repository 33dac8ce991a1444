"""Valid and broken lines of the log: every reader reads the same, or refuses the line."""

from collections.abc import Callable
from typing import TypeVar

import orjson
from hypothesis import given
from hypothesis import strategies as st

from madang_common.events.departures import Departures
from madang_common.events.envelope import Event, read_line
from madang_common.events.kinds import KINDS
from madang_common.events.message_kinds import MessageCreated
from madang_common.log.port import Batch
from madang_common.log.position import position, to_id
from madang_gateway.state.event_decoder import decode_line, decoded
from madang_history.ingest.decode import decode_lines
from tests.fuzz.campaign import Campaign
from tests.fuzz.mutations import mutated

T = TypeVar("T")

_TEXT = st.text(max_size=12) | st.sampled_from(['"', "\\", "\n", "마당", "\u2028", "\x7f", "\x00"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_EVENTS = st.builds(
    Event,
    key=_TEXT,
    kind=st.sampled_from(sorted(KINDS)) | _TEXT,
    sender=_TEXT,
    sender_name=_TEXT,
    at=st.just("2026-01-01T00:00:00.000Z") | _TEXT,
    data=_TEXT.map(lambda text: {"text": text}) | st.dictionaries(_TEXT, _JSON, max_size=3),
    room=_TEXT,
    user=st.none(),
    headers=st.dictionaries(_TEXT, _TEXT, max_size=2),
)
_MESSAGES = st.builds(
    Event,
    key=_TEXT,
    kind=st.just(MessageCreated.kind),
    sender=_TEXT,
    sender_name=_TEXT,
    at=st.just("2026-01-01T00:00:00.000Z"),
    data=_TEXT.map(lambda text: {"text": text}),
    room=_TEXT,
    user=st.none(),
    headers=st.just({}),
)
"""The most common line, which the gateway reads without a JSON parser."""
_FIELDS = ["v", "key", "kind", "room", "user", "sender", "sender_name", "at", "data", "headers"]


@st.composite
def _nearly_events(draw: st.DrawFn) -> bytes:
    """Draw an event with a field that is something else, or missing."""
    document = draw(_EVENTS).document(with_headers=True)
    name = draw(st.sampled_from(_FIELDS))
    if draw(st.booleans()):
        document.pop(name, None)
    else:
        document[name] = draw(_JSON)
    return orjson.dumps(document)


_LINES = st.one_of(
    mutated(_MESSAGES.map(Event.line)),
    mutated(_EVENTS.map(Event.line)),
    _nearly_events(),
    _JSON.map(orjson.dumps) | st.binary(),
)


def _or_none(read_it: Callable[[], T]) -> T | None:
    """Return the decoded line, or None if it is refused."""
    try:
        return read_it()
    except ValueError:
        return None


def test_all_readers_read_a_line_alike_or_refuse_it(campaign: Campaign) -> None:
    @given(_LINES)
    def read_alike(line: bytes) -> None:
        event = _or_none(lambda: read_line(line))
        at = position(7, 0)
        stored = decode_lines([Batch(7, (line,))], 0, 1, Departures(10))

        if event is None:
            assert _or_none(lambda: decode_line(line, ())) is None
            assert (len(stored.entries), len(stored.dead_letters)) == (0, 1)
            return
        expected = decoded(event)
        assert decode_line(line, {event.audience}) == expected
        assert decode_line(line, ())[1:] == expected[1:]
        assert stored.dead_letters == []
        [entry] = stored.entries
        assert entry == (at, event)

    campaign.run(read_alike, examples=400)


def test_what_was_read_is_written_and_delivered_as_the_same_event(campaign: Campaign) -> None:
    @given(_LINES)
    def written_alike(line: bytes) -> None:
        event = _or_none(lambda: read_line(line))
        if event is None:
            return
        at = position(7, 3)

        assert read_line(event.line()) == event
        for body in (event.body(at), event.body(at, event.line())):
            delivered = orjson.loads(body)
            assert delivered == {"id": to_id(at), **event.document()}

    campaign.run(written_alike, examples=200)
