from madang_gateway.fanout.encoding import EncodingKey
from madang_gateway.protocol.destinations import Source, Topic
from madang_gateway.protocol.stomp.connection import ServerConnection
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.subscribe.subscription import Subscription
from madang_gateway.subscribe.subscription_set import SubscriptionSet
from services.gateway.tests.event_pipeline import FakeRecipient


def subscription(name: str, topic: Topic) -> Subscription:
    return Subscription(name, topic, EncodingKey(name, "/d", "1.2"), (), FakeRecipient())


ERRORS = Topic(Source.ERRORS, "")
YARD = Topic(Source.ROOM, "rooms.yard", "yard")
WELL = Topic(Source.ROOM, "rooms.well", "well")


def test_subscriptions_are_found_by_their_room() -> None:
    found = SubscriptionSet(ServerConnection(Limits()))
    yard, well, again = subscription("1", YARD), subscription("2", WELL), subscription("3", YARD)
    for one in (yard, well, again):
        found.add(one)

    assert found.of_room("yard") == [yard, again]
    assert found.remove("1") is yard
    assert found.remove("1") is None
    assert found.of_room("yard") == [again]


def test_errors_are_encoded_for_the_newest_errors_subscription() -> None:
    found = SubscriptionSet(ServerConnection(Limits()))
    first, second, third = (subscription(name, ERRORS) for name in "123")
    for one in (first, second, third):
        found.add(one)

    found.remove("2")
    assert found.errors is third.encoding_key
    found.remove("3")
    assert found.errors is first.encoding_key
    found.remove("1")
    assert found.errors is None


def test_without_an_ack_there_are_no_read_markers() -> None:
    found = SubscriptionSet(ServerConnection(Limits()))

    found.leave("yard")

    assert found.tick() == {}
