"""The hub of subscriptions."""

from madang_gateway.fanout.encoding import EncodingKey
from madang_gateway.fanout.hub import Hub
from services.gateway.tests.event_pipeline import FakeRecipient

FIRST = EncodingKey("s-1", "/topic/rooms.a", "1.2")
SECOND = EncodingKey("s-2", "/topic/rooms.a", "1.2")
MINA, JUN, ARA = FakeRecipient("mina"), FakeRecipient("jun"), FakeRecipient("ara")


def groups(hub: Hub, audience: str) -> dict[EncodingKey, list[str]]:
    return {key: [one.user for one in recipients] for key, recipients in hub.groups(audience)}


def test_recipients_are_grouped_by_encoding_key_in_the_order_of_subscription() -> None:
    hub = Hub()

    hub.add("rooms.a", FIRST, MINA)
    hub.add("rooms.a", SECOND, JUN)
    hub.add("rooms.a", FIRST, ARA)

    assert groups(hub, "rooms.a") == {FIRST: ["mina", "ara"], SECOND: ["jun"]}


def test_a_recipient_added_twice_is_there_once() -> None:
    hub = Hub()

    hub.add("rooms.a", FIRST, MINA)
    hub.add("rooms.a", FIRST, MINA)

    assert groups(hub, "rooms.a") == {FIRST: ["mina"]}


def test_a_recipient_with_two_encoding_keys_can_be_removed_from_one() -> None:
    hub = Hub()
    hub.add("rooms.a", FIRST, MINA)
    hub.add("rooms.a", SECOND, MINA)

    hub.remove("rooms.a", FIRST, MINA)

    assert groups(hub, "rooms.a") == {SECOND: ["mina"]}


def test_an_audience_without_subscriptions_leaves_nothing_behind() -> None:
    hub = Hub()
    hub.add("rooms.a", FIRST, MINA)
    assert list(hub.audiences) == ["rooms.a"]

    hub.remove("rooms.a", FIRST, MINA)

    assert list(hub.audiences) == []
    assert groups(hub, "rooms.a") == {}


def test_removing_an_unknown_subscription_changes_nothing() -> None:
    hub = Hub()
    hub.add("rooms.a", FIRST, MINA)

    hub.remove("rooms.b", FIRST, MINA)
    hub.remove("rooms.a", SECOND, MINA)
    hub.remove("rooms.a", FIRST, JUN)

    assert groups(hub, "rooms.a") == {FIRST: ["mina"]}
