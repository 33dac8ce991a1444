"""Bytes that are nearly right, and ways to cut them."""

from itertools import pairwise

from hypothesis import strategies as st

_EDGES = st.sampled_from([0x00, 0x0A, 0x0D, 0x3A, 0x7D, 0x7E, 0x7F, 0x80, 0x81, 0x88, 0xFE, 0xFF])
_LENGTHS = st.sampled_from([b"\xfe\xff\xff", b"\xff" + b"\x00" * 7 + b"\x01", b"\xff" * 9])
_COUNTS = st.sampled_from([0, 0, 0, 1, 1, 2, 3])


@st.composite
def mutated(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> bytes:
    """Draw a stream with up to three mistakes in it, or none."""
    data = bytearray(draw(streams))
    for _ in range(draw(_COUNTS)):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 8))
        kind = draw(st.sampled_from(["flip", "edge", "length", "drop", "repeat", "move", "insert"]))
        piece = bytes(data[at : at + size])
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "edge" and at < len(data):
            data[at] = draw(_EDGES)
        elif kind == "length":
            data[at : at + size] = draw(_LENGTHS)
        elif kind == "drop":
            del data[at : at + size]
        elif kind == "repeat":
            data[at:at] = piece * draw(st.integers(1, 20))
        elif kind == "move":
            del data[at : at + size]
            to = draw(st.integers(0, len(data)))
            data[to:to] = piece
        else:
            data[at:at] = draw(st.binary(max_size=8))
    return bytes(data)


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Draw `data` cut at some places, or into single bytes."""
    if draw(st.integers(0, 3)) == 0:
        return [data[at : at + 1] for at in range(len(data))]
    edges = [0, *sorted(draw(st.lists(st.integers(0, len(data)), max_size=6))), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]
