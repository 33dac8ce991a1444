"""Open transactions and their bounds."""

import pytest

from madang_gateway.protocol.stomp.errors import Duplicate, NotOpen, TooLarge
from madang_gateway.protocol.stomp.events import Send
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.transactions import Transactions


def send(body: bytes = b"", /, **headers: str) -> Send:
    return Send("/a", headers, body, None)


def test_sends_come_out_in_the_order_they_went_in() -> None:
    transactions = Transactions(Limits())
    transactions.begin("1")
    transactions.begin("2")

    transactions.hold("1", send(b"a"))
    transactions.hold("2", send(b"b"))
    transactions.hold("1", send(b"c"))

    assert transactions.end("1") == [send(b"a"), send(b"c")]
    assert transactions.end("2") == [send(b"b")]


def test_a_transaction_may_be_empty() -> None:
    transactions = Transactions(Limits())
    transactions.begin("1")

    assert transactions.end("1") == []


def test_an_open_id_cannot_be_begun_again() -> None:
    transactions = Transactions(Limits())
    transactions.begin("1")

    with pytest.raises(Duplicate):
        transactions.begin("1")


def test_an_id_is_free_again_when_its_transaction_is_over() -> None:
    transactions = Transactions(Limits())
    transactions.begin("1")
    transactions.hold("1", send())
    transactions.end("1")

    transactions.begin("1")

    assert transactions.end("1") == []


def test_an_unknown_transaction_cannot_be_used_or_ended() -> None:
    transactions = Transactions(Limits())

    with pytest.raises(NotOpen):
        transactions.hold("1", send())
    with pytest.raises(NotOpen):
        transactions.end("1")
    with pytest.raises(NotOpen):
        transactions.check("1")


def test_the_number_of_open_transactions_is_bounded() -> None:
    transactions = Transactions(Limits(transactions=2))
    transactions.begin("1")
    transactions.begin("2")

    with pytest.raises(TooLarge):
        transactions.begin("3")

    transactions.end("1")
    transactions.begin("3")


def test_the_frames_of_one_transaction_are_bounded() -> None:
    transactions = Transactions(Limits(transaction_frames=2))
    transactions.begin("1")
    transactions.begin("2")
    transactions.hold("1", send())
    transactions.hold("1", send())
    transactions.hold("2", send())

    with pytest.raises(TooLarge):
        transactions.hold("1", send())


def test_the_bytes_of_all_open_transactions_together_are_bounded() -> None:
    transactions = Transactions(Limits(transaction_bytes=10))
    transactions.begin("1")
    transactions.begin("2")
    transactions.hold("1", send(b"12345"))
    transactions.hold("2", send(b"12345"))

    with pytest.raises(TooLarge):
        transactions.hold("2", send(b"1"))

    transactions.end("1")
    transactions.hold("2", send(b"12345"))


def test_tiny_headers_count_for_the_memory_they_take() -> None:
    transactions = Transactions(Limits(transaction_bytes=1000))
    transactions.begin("1")

    with pytest.raises(TooLarge):
        transactions.hold("1", send(**{f"h{number}": "" for number in range(20)}))
