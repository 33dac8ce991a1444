"""The broadcaster."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from madang_common.events.envelope import room_audience
from madang_gateway.fanout.broadcaster import Broadcaster
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
    """A connection that counts how often its user is read."""

    name: str
    behind: bool = False
    compressed: bool = False
    sockjs: bool = False
    user_reads: int = 0
    read: bytes = b""

    @property
    def user(self) -> str:
        self.user_reads += 1
        return self.name

    def write(self, frames: bytes) -> None:
        self.read += frames


def tutorial_readers(hub: Hub, *names: str) -> list[Reader]:
    """Return readers of the yard, each with its own encoding key."""
    readers = [Reader(name) for name in names]
    for number, reader in enumerate(readers):
        mapping = TutorialBody("{name} came", "{name} went")
        key = EncodingKey(f"sub-{number}", "/sub/chat/room/yard", "1.2", mapping=mapping)
        for audience in (YARD, YARD_LIVE):
            hub.add(audience, key, reader)
    return readers


def test_present_users_are_counted_once_for_all_encoding_keys() -> None:
    hub = Hub()
    readers = tutorial_readers(hub, "mina", "jun", "mina")
    broadcaster = Broadcaster(hub, Metrics(CollectorRegistry()))

    broadcaster.events(YARD, [PositionedEvent.at(0, message()), PositionedEvent.at(1, message())])

    assert [reader.user_reads for reader in readers] == [1, 1, 1]
    assert all(reader.read.count(b'"userCount":2') == 2 for reader in readers)


def test_present_users_are_counted_once_for_a_live_event() -> None:
    hub = Hub()
    readers = tutorial_readers(hub, "mina", "jun", "mina")
    broadcaster = Broadcaster(hub, Metrics(CollectorRegistry()))

    broadcaster.live_event(YARD_LIVE, message(kind="presence.entered", data={}), "1", b"{}")

    assert [reader.user_reads for reader in readers] == [1, 1, 1]
    assert all(reader.read.count(b'"userCount":2') == 1 for reader in readers)
