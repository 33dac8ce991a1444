"""The cache of decoded lines."""

from hypothesis import given
from hypothesis import strategies as st

from madang_common.events.envelope import Event
from madang_common.log.port import Batch
from madang_gateway.state.event_decoder import decode_any_line, decoded
from madang_gateway.state.sent_lines import SentLines
from services.gateway.tests.event_pipeline import EventPipeline

TEXTS = st.text(min_size=1).filter(lambda text: text.isprintable() or "\n" in text)


def event(text: str = "hi", key: str = "k") -> Event:
    return Event(
        key, "message.created", "mina", "Mina", "2026-11-22T00:00:00.000Z", {"text": text}, "yard"
    )


def test_a_line_is_taken_once() -> None:
    lines = SentLines(1000)
    lines.add(b"line", decoded(event()))

    assert lines.take(bytes(bytearray(b"line"))) == decoded(event())
    assert lines.take(b"line") is None


def test_lines_that_never_come_back_are_dropped() -> None:
    lines = SentLines(10)
    for n in range(1000):
        lines.add(b"%04d" % n, decoded(event()))

    kept = [n for n in range(1000) if lines.take(b"%04d" % n)]

    assert len(kept) <= 2
    assert kept[-1] == 999


def test_a_line_that_was_taken_does_not_count() -> None:
    lines = SentLines(10)
    for n in range(1000):
        lines.add(b"%04d" % n, decoded(event()))
        lines.add(b"x%03d" % n, decoded(event()))

        assert lines.take(b"%04d" % n)
        assert lines.take(b"x%03d" % n)


@given(text=TEXTS, name=TEXTS, key=TEXTS, headers=st.dictionaries(TEXTS, TEXTS))
def test_a_cached_line_equals_the_decoded_line(
    text: str, name: str, key: str, headers: dict[str, str]
) -> None:
    sent = event(text, key)._replace(sender_name=name, headers=headers)

    assert decode_any_line(sent.line()) == decoded(sent)


def test_an_event_of_this_gateway_is_delivered_like_any_other() -> None:
    results = []
    for cached in (True, False):
        core = EventPipeline()
        listener = core.listener()
        line = event().line()
        if cached:
            core.sent_lines.add(line, decoded(event()))

        core.dispatcher.apply(0, Batch(0, (line, line)))

        results.append((listener.received, core.idempotency_keys.get(decoded(event())[2])))

    assert results[0] == results[1]
    assert len(results[0][0]) == 1
