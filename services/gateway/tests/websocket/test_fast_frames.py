"""The fast path for data frames reads the same as the protocol alone."""

from itertools import pairwise

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from madang_gateway.websocket.fast_frames import BINARY, OTHER, TEXT, FastFrames

LIMIT = 70_000
SAID = Frame(Opcode.TEXT, "안녕".encode())
LONGER = Frame(Opcode.BINARY, b"a" * 300)
LARGE = Frame(Opcode.TEXT, b"b" * 66_000)
FRAGMENTS = (
    Frame(Opcode.TEXT, b"one", fin=False),
    Frame(Opcode.PING, b"still here"),
    Frame(Opcode.CONT, b"", fin=False),
    Frame(Opcode.CONT, b"two"),
)
EVERYTHING = (SAID, Frame(Opcode.PING, b""), LONGER, *FRAGMENTS, SAID, Frame(Opcode.BINARY, b""))


def on_the_wire(*frames: Frame) -> bytes:
    return b"".join(frame.serialize(mask=True) for frame in frames)


def test_complete_messages_are_unmasked() -> None:
    found = list(FastFrames(LIMIT).receive(on_the_wire(SAID, LONGER, LARGE)))

    assert found == [(TEXT, SAID.data), (BINARY, LONGER.data), (TEXT, LARGE.data)]


def test_everything_else_goes_to_the_protocol_byte_for_byte() -> None:
    sent = on_the_wire(*FRAGMENTS, Frame(Opcode.CLOSE, b"\x03\xe8"))

    found = list(FastFrames(LIMIT).receive(sent))

    assert {kind for kind, _ in found} == {OTHER}
    assert b"".join(piece for _, piece in found) == sent


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(SAID.serialize(mask=False), id="without a mask"),
        pytest.param(b"\x81\x00", id="without a mask and short"),
        pytest.param(on_the_wire(Frame(Opcode.TEXT, b"c" * (LIMIT + 1))), id="too large"),
        pytest.param(b"\x81\xff" + b"\xff" * 8 + bytes(4), id="of an impossible length"),
    ],
)
def test_after_an_invalid_frame_all_bytes_go_to_the_protocol(sent: bytes) -> None:
    fast, behind = FastFrames(LIMIT), on_the_wire(SAID)

    found = [*fast.receive(sent + behind), *fast.receive(behind)]

    assert found == [(OTHER, sent + behind), (OTHER, behind)]


@pytest.mark.parametrize(
    "first", [0xC1, 0xA1, 0x91, 0x83, 0x8B, 0x80, 0x01], ids=lambda first: f"{first:#x}"
)
def test_reserved_bits_opcodes_and_fragments_go_to_the_protocol(first: int) -> None:
    sent = bytes((first,)) + on_the_wire(SAID)[1:]

    assert list(FastFrames(LIMIT).receive(sent)) == [(OTHER, sent)]


def test_both_paths_read_the_same_frames_wherever_the_bytes_are_cut() -> None:
    sent = on_the_wire(*EVERYTHING)
    expected = frames_of([sent], fast=None)

    for cut in range(len(sent) + 1):
        assert frames_of([sent[:cut], sent[cut:]], FastFrames(LIMIT)) == expected
    singles = [sent[at:after] for at, after in pairwise(range(len(sent) + 1))]
    assert frames_of(singles, FastFrames(LIMIT)) == expected


def frames_of(chunks: list[bytes], fast: FastFrames | None) -> list[tuple[int, bytes]]:
    """Return opcode and payload of each frame, read by `fast` if given, else by the protocol."""
    protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=LIMIT)
    found: list[tuple[int, bytes]] = []
    for chunk in chunks:
        for kind, piece in [(OTHER, chunk)] if fast is None else fast.receive(chunk):
            if kind != OTHER:
                found.append((kind & 0x0F, piece))
                continue
            protocol.receive_data(piece)
            events = [event for event in protocol.events_received() if isinstance(event, Frame)]
            found += [(event.opcode, bytes(event.data)) for event in events]
    return found
