import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.protocol import sockjs
from madang_gateway.protocol.sockjs import BrokenFraming, Reader, array, close, read


def test_what_the_server_says() -> None:
    assert (sockjs.OPEN, sockjs.HEARTBEAT) == (b"o", b"h")
    assert array(b"a", b"\n") == b'a["a","\\n"]'
    assert close(3000, "Go away!") == b'c[3000,"Go away!"]'


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_text_can_be_carried(texts: list[str]) -> None:
    frame = array(*(text.encode() for text in texts))

    assert frame[:1] == b"a"
    assert orjson.loads(frame[1:]) == texts
    assert read(frame[1:]) == [text.encode() for text in texts]


def test_what_is_no_text_does_not_break_the_frame() -> None:
    assert orjson.loads(array(b"a\xff\0")[1:]) == ["a�\0"]


@pytest.mark.parametrize(
    ("payload", "messages"),
    [(b"", []), (b"[]", []), (b'"a"', [b"a"]), (b'["a", "\\u0000\\n"]', [b"a", b"\0\n"])],
)
def test_what_a_client_may_say(payload: bytes, messages: list[bytes]) -> None:
    assert read(payload) == messages


@pytest.mark.parametrize(
    "payload",
    [b'["a', b"a", b"1", b"null", b"{}", b'[["a"]]', b"[1]", b'["\\ud800"]', b"\xff", b"[" * 9999],
)
def test_what_a_client_may_not_say(payload: bytes) -> None:
    with pytest.raises(BrokenFraming):
        read(payload)


def test_json_is_read_when_it_is_whole() -> None:
    reader = Reader()

    assert reader.receive(b'["a', fin=False) == []
    assert reader.receive(b"", fin=False) == []
    assert reader.receive(b'b"]', fin=True) == [b"ab"]
    assert reader.receive(b'["c"]', fin=True) == [b"c"]


def test_fragments_that_make_no_json_are_broken() -> None:
    reader = Reader()
    reader.receive(b"[", fin=False)

    with pytest.raises(BrokenFraming):
        reader.receive(b"", fin=True)
