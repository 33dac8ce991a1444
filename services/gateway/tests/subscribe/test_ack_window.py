"""The window of unacknowledged messages between the hub and a connection."""

import asyncio
from dataclasses import dataclass, field

import pytest

from madang_common.problems import InvalidRequest
from madang_gateway.protocol.stomp.events import Subscribe
from madang_gateway.subscribe.ack_window import AckWindow, create_ack_window


@dataclass(eq=False)
class Output:
    user: str = "mina"
    behind: bool = False
    compressed: bool = False
    sockjs: bool = False
    written: list[bytes] = field(default_factory=list)

    def write(self, frames: bytes) -> None:
        self.written.append(frames)


def subscribe(ack: str = "client-individual", **headers: str) -> Subscribe:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Subscribe("s", "/topic/rooms.yard", ack, named, None)


@dataclass
class Harness:
    output: Output
    window: AckWindow
    buffered: list[int]

    def offer(self, *positions: int, size: int = 1) -> None:
        self.window.offer([(position, b"%d" % position * size) for position in positions])


def harness(ack: str = "client-individual", *, quota: float = 1e9, **headers: str) -> Harness:
    output, buffered = Output(), list[int]()

    def add_buffered(size: int) -> bool:
        buffered.append(size)
        return sum(buffered) <= quota

    window = create_ack_window(
        output,
        subscribe(ack, **headers),
        max_messages=100,
        add_buffered=add_buffered,
    )
    assert window is not None
    return Harness(output, window, buffered)


def test_ack_mode_auto_has_no_window() -> None:
    frame = subscribe("auto")

    window = create_ack_window(Output(), frame, max_messages=1, add_buffered=lambda _: True)

    assert window is None


def test_without_a_prefetch_count_everything_is_sent() -> None:
    mine = harness()

    mine.offer(*range(50))

    assert len(mine.output.written) == 50
    assert (mine.window.user, mine.window.behind) == ("mina", False)
    assert (mine.window.compressed, mine.window.sockjs) == (False, False)


@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_at_most_prefetch_count_messages_are_in_flight(ack: str) -> None:
    mine = harness(ack, prefetch_count="2")

    mine.offer(0, 1, 2, 3, 4)
    assert mine.output.written == [b"0", b"1"]
    mine.window.settle(0, consumed=True)
    assert mine.output.written == [b"0", b"1", b"2"]
    mine.window.settle(2, consumed=False)
    mine.window.settle(1, consumed=True)
    assert mine.output.written == [b"0", b"1", b"2", b"3", b"4"]
    mine.offer(5)
    assert len(mine.output.written) == 5


def test_new_messages_queue_behind_waiting_ones() -> None:
    mine = harness(prefetch_count="1")
    mine.offer(0, 1)

    mine.window.settle(0, consumed=True)
    mine.offer(2)
    mine.window.settle(1, consumed=True)

    assert mine.output.written == [b"0", b"1", b"2"]


def test_live_events_bypass_the_window() -> None:
    mine = harness(prefetch_count="1")
    mine.offer(0, 1)

    mine.window.write(b"notice")

    assert mine.output.written == [b"0", b"notice"]


def test_queued_and_inflight_messages_count_as_buffered() -> None:
    mine = harness(prefetch_count="1")

    mine.offer(1, 2, 3, size=5)
    assert sum(mine.buffered) == 110
    mine.window.settle(1, consumed=True)
    assert sum(mine.buffered) == 105
    mine.window.settle(2, consumed=True)
    mine.window.settle(3, consumed=True)
    assert sum(mine.buffered) == 0


def test_over_the_quota_nothing_more_is_queued() -> None:
    mine = harness(prefetch_count="1", quota=120)

    mine.offer(*range(1, 100), size=5)

    assert sum(mine.buffered) == 125


def test_an_ended_window_has_nothing_buffered() -> None:
    mine = harness(prefetch_count="1")
    mine.offer(1, 2, 3, size=5)

    mine.window.end()

    assert sum(mine.buffered) == 0


async def test_drained_returns_when_the_queue_is_empty() -> None:
    mine = harness(prefetch_count="1")
    await mine.window.drained()
    mine.offer(0, 1)
    draining = asyncio.create_task(mine.window.drained())
    await asyncio.sleep(0)
    assert not draining.done()

    mine.window.settle(0, consumed=True)

    await asyncio.wait_for(draining, 1)


@pytest.mark.parametrize("count", ["", "x", "-1", "101", "1.5", "٣", "9999999999"])
def test_an_invalid_prefetch_count_is_refused(count: str) -> None:
    with pytest.raises(InvalidRequest):
        harness(prefetch_count=count)


@pytest.mark.parametrize("count", ["0", "1", "100"])
def test_prefetch_counts_up_to_the_maximum_are_accepted(count: str) -> None:
    harness(prefetch_count=count)
