import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.protocol import sockjs
from madang_gateway.protocol.sockjs import BrokenFraming, Reader, array, close, read


def test_frames_of_the_server() -> None:
    assert (sockjs.OPEN, sockjs.HEARTBEAT) == (b"o", b"h")
    assert array(b"a", b"\n") == b'a["a","\\n"]'
    assert close(3000, "Go away!") == b'c[3000,"Go away!"]'


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_text_is_framed_and_parsed(texts: list[str]) -> None:
    frame = array(*(text.encode() for text in texts))

    assert frame[:1] == b"a"
    assert orjson.loads(frame[1:]) == texts
    assert read(frame[1:]) == [text.encode() for text in texts]


def test_invalid_utf_8_does_not_break_the_frame() -> None:
    assert orjson.loads(array(b"a\xff\0")[1:]) == ["a�\0"]


@pytest.mark.parametrize(
    ("payload", "messages"),
    [(b"", []), (b"[]", []), (b'"a"', [b"a"]), (b'["a", "\\u0000\\n"]', [b"a", b"\0\n"])],
)
def test_valid_frames_of_a_client(payload: bytes, messages: list[bytes]) -> None:
    assert read(payload) == messages


@pytest.mark.parametrize(
    "payload",
    [b'["a', b"a", b"1", b"null", b"{}", b'[["a"]]', b"[1]", b'["\\ud800"]', b"\xff", b"[" * 9999],
)
def test_invalid_frames_of_a_client_are_refused(payload: bytes) -> None:
    with pytest.raises(BrokenFraming):
        read(payload)


def test_fragments_are_parsed_when_the_last_one_came() -> None:
    reader = Reader()

    assert reader.receive(b'["a', fin=False) == []
    assert reader.receive(b"", fin=False) == []
    assert reader.receive(b'b"]', fin=True) == [b"ab"]
    assert reader.receive(b'["c"]', fin=True) == [b"c"]


def test_fragments_without_valid_json_are_refused() -> None:
    reader = Reader()
    reader.receive(b"[", fin=False)

    with pytest.raises(BrokenFraming):
        reader.receive(b"", fin=True)
