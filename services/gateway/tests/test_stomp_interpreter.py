"""The event of each frame of a connected client, in each version."""

import pytest

from madang_gateway.protocol.stomp.errors import (
    Duplicate,
    Malformed,
    MissingHeader,
    NotOpen,
    UnexpectedBody,
    UnknownCommand,
)
from madang_gateway.protocol.stomp.events import (
    Abort,
    Ack,
    Begin,
    Commit,
    Disconnect,
    Held,
    Send,
    Subscribe,
    Unsubscribe,
)
from madang_gateway.protocol.stomp.frame import Frame
from madang_gateway.protocol.stomp.interpreter import Interpreter
from madang_gateway.protocol.stomp.limits import Limits

VERSIONS = ["1.0", "1.1", "1.2"]


def interpreter(version: str = "1.2") -> Interpreter:
    return Interpreter(version, Limits())


def frame(command: str, body: bytes = b"", /, **headers: str) -> Frame:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Frame(command, named, body)


@pytest.mark.parametrize("version", VERSIONS)
def test_send_is_a_message_for_a_destination(version: str) -> None:
    given = frame("SEND", b"hello", destination="/a", receipt="7", key="k")

    event = interpreter(version).read(given)

    assert event == Send("/a", given.headers, b"hello", "7")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (frame("SEND", b"hello"), "destination"),
        (frame("SEND", b"hello", destination=""), "destination"),
        (frame("SUBSCRIBE", id="1"), "destination"),
        (frame("BEGIN"), "transaction"),
        (frame("BEGIN", transaction=""), "transaction"),
        (frame("COMMIT"), "transaction"),
        (frame("ABORT"), "transaction"),
    ],
)
def test_a_header_that_a_command_needs_must_be_there(
    version: str, given: Frame, missing: str
) -> None:
    with pytest.raises(MissingHeader) as caught:
        interpreter(version).read(given)

    assert caught.value.message == f"missing header {missing}"


@pytest.mark.parametrize(
    ("version", "given", "missing"),
    [
        ("1.0", frame("UNSUBSCRIBE"), "destination"),
        ("1.0", frame("ACK", id="1"), "message-id"),
        ("1.1", frame("SUBSCRIBE", destination="/a"), "id"),
        ("1.1", frame("UNSUBSCRIBE", destination="/a"), "id"),
        ("1.1", frame("ACK", subscription="1"), "message-id"),
        ("1.1", frame("ACK", message_id="1"), "subscription"),
        ("1.1", frame("NACK", message_id="1"), "subscription"),
        ("1.2", frame("SUBSCRIBE", destination="/a"), "id"),
        ("1.2", frame("UNSUBSCRIBE", destination="/a"), "id"),
        ("1.2", frame("ACK", message_id="1", subscription="1"), "id"),
        ("1.2", frame("NACK", message_id="1", subscription="1"), "id"),
    ],
)
def test_a_header_that_a_version_needs_must_be_there(
    version: str, given: Frame, missing: str
) -> None:
    with pytest.raises(MissingHeader) as caught:
        interpreter(version).read(given)

    assert caught.value.message == f"missing header {missing}"


@pytest.mark.parametrize("version", VERSIONS)
def test_subscribe_opens_its_id_in_ack_mode_auto_by_default(version: str) -> None:
    target = interpreter(version)
    given = frame("SUBSCRIBE", id="1", destination="/a", receipt="7", since="x")

    event = target.read(given)

    assert event == Subscribe("1", "/a", "auto", given.headers, "7")
    assert target.subscriptions._open == {"1": "/a"}


@pytest.mark.parametrize("ack", ["auto", "client", "client-individual"])
def test_subscribe_may_choose_how_to_acknowledge(ack: str) -> None:
    event = interpreter().read(frame("SUBSCRIBE", id="1", destination="/a", ack=ack))

    assert isinstance(event, Subscribe)
    assert event.ack == ack


@pytest.mark.parametrize("ack", ["", "AUTO", "individual"])
def test_an_unknown_ack_mode_is_malformed_and_opens_nothing(ack: str) -> None:
    target = interpreter()

    with pytest.raises(Malformed):
        target.read(frame("SUBSCRIBE", id="1", destination="/a", ack=ack))

    assert not target.subscriptions._open


def test_a_subscription_id_in_use_is_a_duplicate() -> None:
    target = interpreter()
    target.read(frame("SUBSCRIBE", id="1", destination="/a"))

    with pytest.raises(Duplicate):
        target.read(frame("SUBSCRIBE", id="1", destination="/b"))


def test_in_1_0_the_destination_is_the_id_where_none_is_given() -> None:
    target = interpreter("1.0")

    opened = target.read(frame("SUBSCRIBE", destination="/a"))
    closed = target.read(frame("UNSUBSCRIBE", destination="/a"))

    assert isinstance(opened, Subscribe)
    assert opened.id == "/a"
    assert closed == Unsubscribe("/a", {"destination": "/a"}, None)


def test_in_1_0_a_destination_also_ends_a_subscription_with_an_id() -> None:
    target = interpreter("1.0")
    target.read(frame("SUBSCRIBE", id="1", destination="/a"))

    event = target.read(frame("UNSUBSCRIBE", destination="/a"))

    assert isinstance(event, Unsubscribe)
    assert event.id == "1"


def test_in_1_0_an_id_ends_its_subscription() -> None:
    target = interpreter("1.0")
    target.read(frame("SUBSCRIBE", id="1", destination="/a"))
    target.read(frame("SUBSCRIBE", id="2", destination="/a"))

    target.read(frame("UNSUBSCRIBE", id="2", destination="/a"))

    assert target.subscriptions._open == {"1": "/a"}


@pytest.mark.parametrize("version", VERSIONS)
def test_unsubscribe_closes_its_id(version: str) -> None:
    target = interpreter(version)
    target.read(frame("SUBSCRIBE", id="1", destination="/a"))

    event = target.read(frame("UNSUBSCRIBE", id="1", receipt="7"))

    assert event == Unsubscribe("1", {"id": "1", "receipt": "7"}, "7")
    assert not target.subscriptions._open


@pytest.mark.parametrize("version", VERSIONS)
def test_unsubscribe_of_an_unknown_id_is_refused(version: str) -> None:
    with pytest.raises(NotOpen):
        interpreter(version).read(frame("UNSUBSCRIBE", id="1"))


@pytest.mark.parametrize(
    ("version", "headers", "subscription"),
    [
        ("1.0", {"message_id": "m"}, None),
        ("1.1", {"message_id": "m", "subscription": "1"}, "1"),
        ("1.2", {"id": "m"}, None),
    ],
)
def test_ack_names_its_message_as_the_version_does(
    version: str, headers: dict[str, str], subscription: str | None
) -> None:
    given = frame("ACK", receipt="7", **headers)

    event = interpreter(version).read(given)

    assert event == Ack(
        "m", subscription, nack=False, transaction=None, headers=given.headers, receipt="7"
    )


@pytest.mark.parametrize(
    ("version", "headers"),
    [("1.1", {"message_id": "m", "subscription": "1"}), ("1.2", {"id": "m"})],
)
def test_nack_is_distinguished_from_ack(version: str, headers: dict[str, str]) -> None:
    event = interpreter(version).read(frame("NACK", **headers))

    assert isinstance(event, Ack)
    assert event.nack


def test_1_0_has_no_nack() -> None:
    with pytest.raises(UnknownCommand):
        interpreter("1.0").read(frame("NACK", message_id="m"))


def test_an_ack_may_be_part_of_an_open_transaction_only() -> None:
    target = interpreter()
    target.read(frame("BEGIN", transaction="t"))

    assert target.read(frame("ACK", id="m", transaction="t")) == Held("t", None)
    assert target.read(frame("NACK", id="n", transaction="t", receipt="7")) == Held("t", "7")

    with pytest.raises(NotOpen):
        target.read(frame("ACK", id="m", transaction="u"))
    commit = target.read(frame("COMMIT", transaction="t"))
    assert isinstance(commit, Commit)
    assert [(ack.id, ack.nack, ack.receipt) for ack in commit.acks] == [
        ("m", False, None),
        ("n", True, None),
    ]
    assert commit.sends == []


@pytest.mark.parametrize("version", VERSIONS)
def test_sends_of_a_transaction_come_with_its_commit_in_order(version: str) -> None:
    target = interpreter(version)

    events = [
        target.read(frame("BEGIN", transaction="t", receipt="1")),
        target.read(frame("SEND", b"a", destination="/a", transaction="t")),
        target.read(frame("SEND", b"b", destination="/b")),
        target.read(frame("SEND", b"c", destination="/c", transaction="t")),
        target.read(frame("COMMIT", transaction="t", receipt="2")),
    ]

    first = Send("/a", {"destination": "/a", "transaction": "t"}, b"a", None)
    third = Send("/c", {"destination": "/c", "transaction": "t"}, b"c", None)
    assert events == [
        Begin("t", {"transaction": "t", "receipt": "1"}, "1"),
        Held("t", None),
        Send("/b", {"destination": "/b"}, b"b", None),
        Held("t", None),
        Commit("t", [first, third], {"transaction": "t", "receipt": "2"}, "2"),
    ]


def test_the_receipt_of_a_held_send_can_be_answered_before_the_commit() -> None:
    target = interpreter()
    target.read(frame("BEGIN", transaction="t"))

    held = target.read(frame("SEND", destination="/a", transaction="t", receipt="7"))
    committed = target.read(frame("COMMIT", transaction="t"))

    assert held == Held("t", "7")
    assert isinstance(committed, Commit)
    assert committed.sends[0].receipt is None


def test_sends_of_an_aborted_transaction_are_gone() -> None:
    target = interpreter()
    target.read(frame("BEGIN", transaction="t"))
    target.read(frame("SEND", destination="/a", transaction="t"))

    event = target.read(frame("ABORT", transaction="t", receipt="7"))

    assert event == Abort("t", {"transaction": "t", "receipt": "7"}, "7")
    with pytest.raises(NotOpen):
        target.read(frame("COMMIT", transaction="t"))


@pytest.mark.parametrize(
    "given",
    [
        frame("SEND", destination="/a", transaction="t"),
        frame("SEND", destination="/a", transaction=""),
        frame("COMMIT", transaction="t"),
        frame("ABORT", transaction="t"),
    ],
)
def test_a_transaction_that_was_not_begun_is_refused(given: Frame) -> None:
    with pytest.raises(NotOpen):
        interpreter().read(given)


def test_a_send_in_a_transaction_needs_its_destination_at_once() -> None:
    target = interpreter()
    target.read(frame("BEGIN", transaction="t"))

    with pytest.raises(MissingHeader):
        target.read(frame("SEND", transaction="t"))


def test_beginning_an_open_transaction_is_a_duplicate() -> None:
    target = interpreter()
    target.read(frame("BEGIN", transaction="t"))

    with pytest.raises(Duplicate):
        target.read(frame("BEGIN", transaction="t"))


def test_disconnect_may_request_a_receipt() -> None:
    assert interpreter().read(frame("DISCONNECT", receipt="7")) == Disconnect({"receipt": "7"}, "7")


WITH_BODY = [
    frame("SUBSCRIBE", b"x", id="1", destination="/a"),
    frame("UNSUBSCRIBE", b"x", id="1"),
    frame("ACK", b"x", id="m", message_id="m", subscription="1"),
    frame("NACK", b"x", id="m", message_id="m", subscription="1"),
    frame("BEGIN", b"x", transaction="t"),
    frame("COMMIT", b"x", transaction="t"),
    frame("ABORT", b"x", transaction="t"),
    frame("DISCONNECT", b"x"),
]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("given", WITH_BODY, ids=lambda given: given.command)
def test_only_send_may_have_a_body(version: str, given: Frame) -> None:
    with pytest.raises(UnexpectedBody):
        interpreter(version).read(given)


def test_1_0_ignores_the_body_of_other_frames() -> None:
    event = interpreter("1.0").read(frame("SUBSCRIBE", b"x", destination="/a"))

    assert isinstance(event, Subscribe)
