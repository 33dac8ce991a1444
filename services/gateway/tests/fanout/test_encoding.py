"""The encoding of events: each fast path equals its general path."""

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from madang_common.events.envelope import Event
from madang_common.log.position import to_id
from madang_gateway.fanout.encoding import EncodingKey, PositionedEvent, encode, websocket_frame
from services.gateway.tests.harness import message

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DATA = st.dictionaries(TEXTS, TEXTS | st.integers(0, 2**53) | st.none(), max_size=3)
EVENTS = st.builds(
    Event,
    key=TEXTS,
    kind=TEXTS,
    sender=TEXTS,
    sender_name=TEXTS,
    at=TEXTS,
    data=DATA,
    room=TEXTS,
    headers=st.just({}) | st.dictionaries(TEXTS, TEXTS, max_size=2),
)


@given(EVENTS, st.integers(0, 2**60 - 1))
@example(message(), 0)
def test_the_body_from_the_line_equals_the_body_from_the_event(event: Event, at: int) -> None:
    fast = PositionedEvent.at(at, event, event.line())
    general = PositionedEvent.at(at, event)

    assert fast == general
    assert orjson.loads(fast.body) == {"id": to_id(at), **event.document()}


@given(st.binary(max_size=300))
@example(b"x" * 125)
@example(b"x" * 126)
@example(b"x" * 65_535)
@example(b"x" * 65_536)
def test_a_websocket_frame_equals_that_of_websockets(payload: bytes) -> None:
    general = Frame(Opcode.TEXT, payload).serialize(mask=False)

    assert websocket_frame(payload) == general


@pytest.mark.parametrize(("compressed", "sockjs"), [(True, False), (False, True), (True, True)])
def test_a_message_is_framed_as_the_encoding_key_says(*, compressed: bool, sockjs: bool) -> None:
    key = EncodingKey("s", "/topic/rooms.yard", "1.2", compressed=compressed, sockjs=sockjs)
    plain = EncodingKey("s", "/topic/rooms.yard", "1.2")
    event = message()

    frame = encode(key, event, "000000000001", b"{}")

    rsv1 = 0x40
    assert bool(frame[0] & rsv1) == compressed
    assert frame != encode(plain, event, "000000000001", b"{}")
    if not compressed:
        assert frame[2:4] == b"a[" or frame[4:6] == b"a["
