from madang_gateway.fanout.hub import Hub


def groups(hub: Hub[str, str], audience: str) -> dict[str, list[str]]:
    return {shape: list(recipients) for shape, recipients in hub.groups(audience)}


def test_recipients_are_grouped_by_shape_in_the_order_in_which_they_came() -> None:
    hub: Hub[str, str] = Hub()

    hub.add("rooms.a", "json", "mina")
    hub.add("rooms.a", "text", "jun")
    hub.add("rooms.a", "json", "ara")

    assert groups(hub, "rooms.a") == {"json": ["mina", "ara"], "text": ["jun"]}


def test_a_recipient_added_twice_is_there_once() -> None:
    hub: Hub[str, str] = Hub()

    hub.add("rooms.a", "json", "mina")
    hub.add("rooms.a", "json", "mina")

    assert groups(hub, "rooms.a") == {"json": ["mina"]}


def test_one_recipient_may_follow_in_two_shapes_and_leave_one() -> None:
    hub: Hub[str, str] = Hub()
    hub.add("rooms.a", "json", "mina")
    hub.add("rooms.a", "text", "mina")

    hub.remove("rooms.a", "json", "mina")

    assert groups(hub, "rooms.a") == {"text": ["mina"]}


def test_an_audience_that_nobody_follows_any_more_leaves_nothing_behind() -> None:
    hub: Hub[str, str] = Hub()
    hub.add("rooms.a", "json", "mina")
    assert "rooms.a" in hub.audiences
    assert len(hub) == 1

    hub.remove("rooms.a", "json", "mina")

    assert "rooms.a" not in hub.audiences
    assert len(hub) == 0
    assert groups(hub, "rooms.a") == {}


def test_removing_what_is_not_there_changes_nothing() -> None:
    hub: Hub[str, str] = Hub()
    hub.add("rooms.a", "json", "mina")

    hub.remove("rooms.b", "json", "mina")
    hub.remove("rooms.a", "text", "mina")
    hub.remove("rooms.a", "json", "jun")

    assert groups(hub, "rooms.a") == {"json": ["mina"]}
