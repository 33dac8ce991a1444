"""Streams of WebSocket frames, whole and broken: the fast path and the protocol read the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from madang_gateway.websocket.fast_frames import OTHER, FastFrames
from tests.fuzz.campaign import Campaign
from tests.fuzz.mutations import cut, mutated

_LIMIT_BYTES = 300
_OPCODE = 0x0F
_LAST = bytes(_LIMIT_BYTES + 14)
"""The fast path waits for a whole frame before it decides; these end all that may still wait."""
_ALL = 1000
_SIZES = [0, 1, 5, 125, 126, 127, _LIMIT_BYTES - 1, _LIMIT_BYTES, _LIMIT_BYTES + 1]

_DATA = st.sampled_from([b"a" * size for size in _SIZES]) | st.binary(max_size=20)
_WHOLE = st.builds(Frame, st.sampled_from([Opcode.TEXT, Opcode.BINARY]), _DATA)
_DISGUISED = st.builds(Frame, st.just(Opcode.TEXT), st.binary(max_size=8)).map(
    lambda frame: frame.serialize(mask=True)
)
"""Payload that would be a frame, if it were looked at."""
_CONTROL = st.builds(
    Frame,
    st.sampled_from([Opcode.PING, Opcode.PONG]),
    st.binary(max_size=125) | _DISGUISED | _DISGUISED.map(lambda data: data * 4),
) | st.just(Frame(Opcode.CLOSE, CloseCode.NORMAL_CLOSURE.to_bytes(2, "big")))


@st.composite
def _fragmented(draw: st.DrawFn) -> list[Frame]:
    """Draw a message in fragments, with a control frame or, wrongly, another one between them."""
    parts = draw(st.lists(_DATA, min_size=1, max_size=4))
    first = Frame(draw(st.sampled_from([Opcode.TEXT, Opcode.BINARY])), parts[0], fin=False)
    frames = [first, *(Frame(Opcode.CONT, part, fin=False) for part in parts[1:])]
    frames.append(Frame(Opcode.CONT, b"", fin=draw(st.integers(0, 3)) != 0))
    at = draw(st.integers(1, len(frames)))
    return [*frames[:at], *draw(st.lists(_CONTROL | _CONTROL | _WHOLE, max_size=1)), *frames[at:]]


@st.composite
def _streams(draw: st.DrawFn) -> bytes:
    """Draw the bytes of some messages, each with a mask or, seldom, without."""
    message = st.one_of(_WHOLE.map(lambda one: [one]), _CONTROL.map(lambda one: [one]))
    messages = draw(st.lists(message | _fragmented(), max_size=6))
    return b"".join(
        frame.serialize(mask=draw(st.integers(0, 99)) != 0)
        for frames in messages
        for frame in frames
    )


@dataclass(frozen=True)
class _Read:
    """The frames read from a stream, and the answers to them."""

    frames: Sequence[tuple[int, bytes]]
    answers: bytes
    state: State


def _read(pieces: Sequence[bytes], *, fast: bool, taken: int = _ALL) -> _Read:
    """Read `pieces` as a connection does, or as the protocol alone does.

    A connection may rest after so many frames, and go on with what it left.
    """
    protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=_LIMIT_BYTES)
    plain = FastFrames(_LIMIT_BYTES)
    frames: list[tuple[int, bytes]] = []
    answers = b""
    for piece in pieces:
        for kind, data in _in_turns(plain, piece, taken) if fast else [(OTHER, piece)]:
            if kind != OTHER and protocol.state is State.OPEN:
                frames.append((kind & _OPCODE, data))
                continue
            protocol.receive_data(data)
            found = [one for one in protocol.events_received() if isinstance(one, Frame)]
            frames += [(one.opcode, bytes(one.data)) for one in found]
            answers += b"".join(protocol.data_to_send())
    return _Read(frames, answers, protocol.state)


def _in_turns(plain: FastFrames, piece: bytes, taken: int) -> Iterator[tuple[int, bytes]]:
    """Split fast frames from others, `taken` at a time."""
    found = list(islice(plain.receive(piece), taken))
    while found:
        yield from found
        found = list(islice(plain.receive(b""), taken))


def test_however_frames_are_broken_and_cut_both_paths_read_the_same(campaign: Campaign) -> None:
    @given(mutated(_streams()), st.sampled_from([1, 2, 5, _ALL]), st.data())
    def read_alike(stream: bytes, taken: int, data: st.DataObject) -> None:
        stream += _LAST
        pieces = data.draw(cut(stream))

        assert _read(pieces, fast=True, taken=taken) == _read([stream], fast=False)

    campaign.run(read_alike, examples=400)
