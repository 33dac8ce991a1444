"""Every frame both ways: written and read again, whole and cut anywhere."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.protocol.stomp.frame import Command, Frame
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.parser import Parser
from madang_gateway.protocol.stomp.serializer import is_own, message_frame, serialize

VERSIONS = ["1.0", "1.1", "1.2"]
ROOMY = Limits(header_count=64, header_line_bytes=8192, head_bytes=200_000, body_bytes=200_000)
NEVER_ESCAPED = {Command.CONNECT, Command.STOMP, Command.CONNECTED}

anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
plain = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n:"), max_size=12
).filter(lambda text: text == text.strip(" "))
"""Text that needs no escaping in any version."""
likely_bodies = st.sampled_from([b"", b"\0", b"\n\n", b"\r\n\r\n", b"\n\r\n\0", b"SEND\n\n\0"])
bodies = st.one_of(likely_bodies, st.binary(max_size=40))


@st.composite
def frames(
    draw: st.DrawFn, version: str, values: st.SearchStrategy[str] = anything
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Draw a frame that `version` can carry."""
    command = draw(st.sampled_from(list(Command)))
    texts = plain if version == "1.0" or command in NEVER_ESCAPED else values
    names = texts.filter(lambda name: name not in {"", "content-length"})
    headers = draw(st.lists(st.tuples(names, texts), max_size=6))
    return command, headers, draw(bodies)


def expected(command: str, headers: Iterable[tuple[str, str]], body: bytes) -> Frame:
    first: dict[str, str] = {}
    for name, value in headers:
        first.setdefault(name, value)
    if body:
        first["content-length"] = str(len(body))
    return Frame(command, first, body)


def read(pieces: Iterable[bytes], version: str) -> list[Frame]:
    parser = Parser(ROOMY)
    parser.version = version
    items = [item for piece in pieces for item in parser.receive(piece)]
    assert not parser._buffer
    return [item for item in items if isinstance(item, Frame)]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Return `data` in pieces that end at `places`."""
    edges = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_a_written_frame_is_read_as_it_was_meant(version: str, data: st.DataObject) -> None:
    command, headers, body = data.draw(frames(version))

    written = serialize(command, headers, body, version)

    assert read([written], version) == [expected(command, headers, body)]


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_a_frame_cut_in_two_at_any_place_is_the_same_frame(
    version: str, data: st.DataObject
) -> None:
    command, headers, body = data.draw(frames(version))
    written = serialize(command, headers, body, version)

    for place in range(len(written) + 1):
        assert read(cut(written, [place]), version) == [expected(command, headers, body)]


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_frames_that_come_byte_by_byte_are_the_same_frames(
    version: str, data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(frames(version), max_size=4))
    stream = b"\n".join(serialize(*frame, version) for frame in drawn)

    items = read([bytes([byte]) for byte in stream], version)

    assert items == [expected(*frame) for frame in drawn]


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_large_frames_cut_at_random_places_are_the_same_frames(
    version: str, data: st.DataObject
) -> None:
    sizes = data.draw(st.lists(st.integers(0, 60_000), min_size=1, max_size=3))
    fill = data.draw(st.binary(min_size=1, max_size=8))
    large = [("SEND", [("n", str(size))], (fill * size)[:size]) for size in sizes]
    stream = b"".join(serialize(*frame, version) for frame in large)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))

    items = read(cut(stream, places), version)

    assert items == [expected(*frame) for frame in large]


@pytest.mark.parametrize("version", ["1.2"])
@given(data=st.data())
def test_crlf_line_ends_mean_the_same_in_1_2(version: str, data: st.DataObject) -> None:
    command, headers, body = data.draw(frames(version))
    head, _, rest = serialize(command, headers, body, version).partition(b"\n\n")
    written = head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + rest

    for place in range(len(written) + 1):
        assert read(cut(written, [place]), version) == [expected(command, headers, body)]


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_a_body_without_nul_needs_no_length(version: str, data: st.DataObject) -> None:
    body = data.draw(st.binary(max_size=40).map(lambda drawn: drawn.replace(b"\0", b"")))
    written = b"SEND\ndestination:/a\n\n" + body + b"\0"

    for place in range(len(written) + 1):
        assert read(cut(written, [place]), version) == [Frame("SEND", {"destination": "/a"}, body)]


@pytest.mark.parametrize("version", VERSIONS)
@given(
    fields=st.tuples(anything, anything, anything),
    ack=st.none() | anything,
    headers=st.dictionaries(anything.filter(lambda name: not is_own(name)), anything, max_size=3),
    body=bodies.filter(bool),
)
def test_a_message_equals_the_general_path(
    version: str,
    fields: tuple[str, str, str],
    ack: str | None,
    headers: dict[str, str],
    body: bytes,
) -> None:
    subscription, destination, message_id = fields

    fast = message_frame(
        subscription,
        destination,
        message_id,
        headers,
        body,
        version=version,
        content_type="text/plain",
        ack=ack,
    )

    own = {
        "subscription": subscription,
        "destination": destination,
        "content-type": "text/plain",
        "message-id": message_id,
    }
    if ack is not None:
        own["ack"] = ack
    general = serialize(Command.MESSAGE, [*own.items(), *headers.items()], body, version)
    assert read([fast], version) == read([general], version)


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_a_message_with_any_headers_of_its_sender_is_one_message(
    version: str, data: st.DataObject
) -> None:
    wild = st.text(max_size=12)  # surrogates, NULs and line ends too
    subscription, destination = data.draw(wild), data.draw(wild)
    headers = data.draw(st.dictionaries(wild, wild, max_size=5))
    body = data.draw(bodies)

    written = message_frame(
        subscription,
        destination,
        "00000000001g",
        headers,
        body,
        version=version,
        content_type="text/plain",
    )

    (frame,) = read([written], version)
    assert (frame.command, frame.body) == ("MESSAGE", body)
    assert frame.headers["message-id"] == "00000000001g"
    assert frame.headers["content-type"] == "text/plain"
    assert frame.headers["content-length"] == str(len(body))
