from hypothesis import given
from hypothesis import strategies as st

from madang_common.events.envelope import Event, read_line
from madang_common.log.port import Batch
from madang_gateway.state.event_decoder import said_by
from madang_gateway.state.idempotency_keys import digest
from madang_gateway.state.sent_lines import SentLines
from services.gateway.tests.event_pipeline import EventPipeline

TEXTS = st.text(min_size=1).filter(lambda text: text.isprintable() or "\n" in text)


def event(text: str = "hi", key: str = "k") -> Event:
    return Event(
        key, "message.created", "mina", "Mina", "2026-11-22T00:00:00.000Z", {"text": text}, "yard"
    )


def test_a_line_is_taken_once() -> None:
    lines = SentLines(1000)
    lines.add(b"line", said_by(event()))

    assert lines.take(bytes(bytearray(b"line"))) == said_by(event())
    assert lines.take(b"line") is None


def test_what_never_comes_back_is_forgotten() -> None:
    lines = SentLines(10)
    for n in range(1000):
        lines.add(b"%04d" % n, said_by(event()))

    known = [n for n in range(1000) if lines.take(b"%04d" % n)]

    assert len(known) <= 2
    assert known[-1] == 999


def test_what_was_taken_leaves_room() -> None:
    lines = SentLines(10)
    for n in range(1000):
        lines.add(b"%04d" % n, said_by(event()))
        lines.add(b"x%03d" % n, said_by(event()))

        assert lines.take(b"%04d" % n)
        assert lines.take(b"x%03d" % n)


@given(text=TEXTS, name=TEXTS, key=TEXTS, headers=st.dictionaries(TEXTS, TEXTS))
def test_an_own_line_says_what_it_would_be_read_as(
    text: str, name: str, key: str, headers: dict[str, str]
) -> None:
    said = event(text, key)._replace(sender_name=name, headers=headers)

    read = read_line(said.line())

    assert read == said
    assert digest(read.data) == digest(said.data)


def test_an_own_line_is_delivered_as_anybody_elses() -> None:
    heard = []
    for known in (True, False):
        core = EventPipeline()
        listener = core.listener()
        line = event().line()
        if known:
            core.own_lines.add(line, said_by(event()))

        core.dispatcher.apply(0, Batch(0, (line, line)))

        heard.append((listener.heard, core.keys.get(said_by(event())[2])))

    assert heard[0] == heard[1]
    assert len(heard[0][0]) == 1
