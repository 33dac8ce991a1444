"""A subscription that is acknowledged, between the log and its connection."""

import asyncio
from dataclasses import dataclass, field

import pytest

from madang_common.problems import InvalidRequest
from madang_gateway.protocol.stomp.events import Subscribe
from madang_gateway.subscribe.ack_window import AckWindow, acknowledging


@dataclass(eq=False)
class Connection:
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
    connection: Connection
    place: AckWindow
    kept: list[int]

    def offer(self, *positions: int, size: int = 1) -> None:
        self.place.offer([(position, b"%d" % position * size) for position in positions])


def harness(ack: str = "client-individual", *, most: float = 1e9, **headers: str) -> Harness:
    connection, kept = Connection(), list[int]()

    def keep(size: int) -> bool:
        kept.append(size)
        return sum(kept) <= most

    place = acknowledging(
        connection,
        subscribe(ack, **headers),
        most=100,
        keep=keep,
    )
    assert place is not None
    return Harness(connection, place, kept)


def test_who_acknowledges_nothing_needs_no_account() -> None:
    frame = subscribe("auto")

    place = acknowledging(Connection(), frame, most=1, keep=lambda _: True)

    assert place is None


def test_without_a_window_everything_is_sent() -> None:
    mine = harness()

    mine.offer(*range(50))

    assert len(mine.connection.written) == 50
    assert (mine.place.user, mine.place.behind) == ("mina", False)
    assert (mine.place.compressed, mine.place.sockjs) == (False, False)


@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_a_window_lets_so_many_through_and_an_answer_lets_others_follow(ack: str) -> None:
    mine = harness(ack, prefetch_count="2")

    mine.offer(0, 1, 2, 3, 4)
    assert mine.connection.written == [b"0", b"1"]
    mine.place.answer(0, consumed=True)
    assert mine.connection.written == [b"0", b"1", b"2"]
    mine.place.answer(2, consumed=False)
    mine.place.answer(1, consumed=True)
    assert mine.connection.written == [b"0", b"1", b"2", b"3", b"4"]
    mine.offer(5)
    assert len(mine.connection.written) == 5


def test_what_comes_while_others_wait_stays_behind_them() -> None:
    mine = harness(prefetch_count="1")
    mine.offer(0, 1)

    mine.place.answer(0, consumed=True)
    mine.offer(2)
    mine.place.answer(1, consumed=True)

    assert mine.connection.written == [b"0", b"1", b"2"]


def test_what_needs_no_answer_passes_by() -> None:
    mine = harness(prefetch_count="1")
    mine.offer(0, 1)

    mine.place.write(b"notice")

    assert mine.connection.written == [b"0", b"notice"]


def test_what_waits_and_what_is_remembered_counts_as_kept() -> None:
    mine = harness(prefetch_count="1")

    mine.offer(1, 2, 3, size=5)
    assert sum(mine.kept) == 110
    mine.place.answer(1, consumed=True)
    assert sum(mine.kept) == 105
    mine.place.answer(2, consumed=True)
    mine.place.answer(3, consumed=True)
    assert sum(mine.kept) == 0


def test_past_the_bound_nothing_more_is_kept() -> None:
    mine = harness(prefetch_count="1", most=120)

    mine.offer(*range(1, 100), size=5)

    assert sum(mine.kept) == 125


def test_what_ends_keeps_nothing() -> None:
    mine = harness(prefetch_count="1")
    mine.offer(1, 2, 3, size=5)

    mine.place.end()

    assert sum(mine.kept) == 0


async def test_it_is_drained_when_nothing_waits() -> None:
    mine = harness(prefetch_count="1")
    await mine.place.drained()
    mine.offer(0, 1)
    draining = asyncio.create_task(mine.place.drained())
    await asyncio.sleep(0)
    assert not draining.done()

    mine.place.answer(0, consumed=True)

    await asyncio.wait_for(draining, 1)


@pytest.mark.parametrize("count", ["", "x", "-1", "101", "1.5", "٣", "9999999999"])
def test_a_window_that_is_none_is_refused(count: str) -> None:
    with pytest.raises(InvalidRequest):
        harness(prefetch_count=count)


@pytest.mark.parametrize("count", ["0", "1", "100"])
def test_a_window_has_a_largest_size(count: str) -> None:
    harness(prefetch_count=count)
