"""Subscription ids in use."""

import pytest

from madang_gateway.protocol.stomp.errors import Duplicate, NotOpen, TooLarge
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.subscriptions import Subscriptions


def test_an_open_id_cannot_be_opened_again() -> None:
    subscriptions = Subscriptions(Limits())
    subscriptions.open("1", "/a")

    with pytest.raises(Duplicate):
        subscriptions.open("1", "/b")


def test_a_closed_id_can_be_opened_again_and_closed_only_once() -> None:
    subscriptions = Subscriptions(Limits())
    subscriptions.open("1", "/a")
    subscriptions.close("1")

    with pytest.raises(NotOpen):
        subscriptions.close("1")
    subscriptions.open("1", "/b")

    assert subscriptions._open == {"1": "/b"}


def test_the_number_of_open_ids_is_bounded() -> None:
    subscriptions = Subscriptions(Limits(subscriptions=1))
    subscriptions.open("1", "/a")

    with pytest.raises(TooLarge):
        subscriptions.open("2", "/b")

    subscriptions.close("1")
    subscriptions.open("2", "/b")


def test_the_client_may_close_an_ended_subscription_once() -> None:
    subscriptions = Subscriptions(Limits())
    subscriptions.open("1", "/a")
    subscriptions.end("1")

    subscriptions.close("1")

    with pytest.raises(NotOpen):
        subscriptions.close("1")


def test_an_id_that_the_server_ended_is_free() -> None:
    subscriptions = Subscriptions(Limits(subscriptions=1))
    subscriptions.open("1", "/a")
    subscriptions.end("1")

    subscriptions.open("1", "/b")
    subscriptions.close("1")

    with pytest.raises(NotOpen):
        subscriptions.close("1")


def test_ending_an_unknown_subscription_does_nothing() -> None:
    subscriptions = Subscriptions(Limits())

    subscriptions.end("1")

    with pytest.raises(NotOpen):
        subscriptions.close("1")


def test_only_so_many_ended_ids_are_remembered_as_may_be_open() -> None:
    subscriptions = Subscriptions(Limits(subscriptions=2))
    for name in ("1", "2", "3"):
        subscriptions.open(name, "/a")
        subscriptions.end(name)

    subscriptions.close("3")
    subscriptions.close("2")
    with pytest.raises(NotOpen):
        subscriptions.close("1")


def test_a_destination_means_the_subscription_that_was_made_with_it() -> None:
    subscriptions = Subscriptions(Limits())
    subscriptions.open("1", "/a")
    subscriptions.open("/a", "/a")
    subscriptions.open("2", "/b")
    subscriptions.open("3", "/c")
    subscriptions.end("3")

    assert subscriptions.id_for("/a") == "/a"
    assert subscriptions.id_for("/b") == "2"
    assert subscriptions.id_for("/c") == "3"
    assert subscriptions.id_for("/d") == "/d"
