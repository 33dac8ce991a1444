"""Handing out: what is the same for everyone is found out once."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from madang_common.events.envelope import room_audience
from madang_gateway.fanout.broadcaster import Broadcaster, Roster
from madang_gateway.fanout.encoding import EncodingKey, PositionedEvent
from madang_gateway.fanout.hub import Hub
from madang_gateway.metrics import Metrics
from madang_gateway.protocol.destinations import LIVE_SUFFIX
from madang_gateway.protocol.tutorial_destinations import TutorialBody
from services.gateway.tests.harness import message

YARD = room_audience("yard")
YARD_LIVE = YARD + LIVE_SUFFIX


@dataclass(eq=False)
class Reader:
    """A connection that counts how often it was asked whose it is."""

    name: str
    behind: bool = False
    compressed: bool = False
    sockjs: bool = False
    asked: int = 0
    read: bytes = b""

    @property
    def user(self) -> str:
        self.asked += 1
        return self.name

    def write(self, frames: bytes) -> None:
        self.read += frames


def tutorial_readers(roster: Roster, *names: str) -> list[Reader]:
    """Return readers of the yard, each with a shape of its own."""
    readers = [Reader(name) for name in names]
    for number, reader in enumerate(readers):
        mapping = TutorialBody("{name} came", "{name} went")
        shape = EncodingKey(f"sub-{number}", "/sub/chat/room/yard", "1.2", mapping=mapping)
        for audience in (YARD, YARD_LIVE):
            roster.add(audience, shape, reader)
    return readers


def test_who_is_present_is_counted_once_however_many_shapes_there_are() -> None:
    roster: Roster = Hub()
    readers = tutorial_readers(roster, "mina", "jun", "mina")
    delivery = Broadcaster(roster, Metrics(CollectorRegistry()))

    delivery.events(YARD, [PositionedEvent.at(0, message()), PositionedEvent.at(1, message())])

    assert [reader.asked for reader in readers] == [1, 1, 1]
    assert all(reader.read.count(b'"userCount":2') == 2 for reader in readers)


def test_who_is_present_is_counted_once_for_a_notice_too() -> None:
    roster: Roster = Hub()
    readers = tutorial_readers(roster, "mina", "jun", "mina")
    delivery = Broadcaster(roster, Metrics(CollectorRegistry()))

    delivery.notice(YARD_LIVE, message(kind="presence.entered", data={}), "1", b"{}")

    assert [reader.asked for reader in readers] == [1, 1, 1]
    assert all(reader.read.count(b'"userCount":2') == 1 for reader in readers)
