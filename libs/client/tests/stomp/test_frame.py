import pytest

from madang_client.stomp.frame import Frame, encode


def test_headers_are_escaped() -> None:
    frame = Frame("SEND", {"a:b": "c\\d\ne\r"})

    assert encode(frame) == b"SEND\na\\cb:c\\\\d\\ne\\r\n\n\0"


def test_a_body_has_its_length_in_bytes() -> None:
    assert encode(Frame("SEND", {}, "마당".encode())).startswith(b"SEND\ncontent-length:6\n\n")


def test_connect_is_not_escaped() -> None:
    assert encode(Frame("CONNECT", {"host": "a:1"})) == b"CONNECT\nhost:a:1\n\n\0"


@pytest.mark.parametrize(
    "frame",
    [
        Frame("CONNECT", {"host": "a\nb:c"}),
        Frame("CONNECT", {"a:b": "c"}),
        Frame("SEND", {"key": "a\0b"}),
    ],
)
def test_unencodable_headers_are_refused(frame: Frame) -> None:
    with pytest.raises(ValueError, match="cannot"):
        encode(frame)
