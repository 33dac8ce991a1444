import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.subscribe.inflight import Inflight


def sent(*positions: int, cumulative: bool = False, limit: int = 100) -> Inflight:
    messages = Inflight(cumulative=cumulative, limit=limit)
    for position in positions:
        messages.sent(position)
    return messages


def test_an_ack_in_client_mode_settles_all_earlier_messages() -> None:
    messages = sent(1, 2, 5, 9, cumulative=True)

    messages.settle(5, consumed=True)

    assert (messages.unsettled, messages.read_up_to) == (1, 5)


def test_an_ack_in_client_individual_mode_settles_one_message() -> None:
    messages = sent(1, 2, 5)

    messages.settle(5, consumed=True)
    assert (messages.unsettled, messages.read_up_to) == (2, None)
    messages.settle(1, consumed=True)
    assert (messages.unsettled, messages.read_up_to) == (1, 1)
    messages.settle(2, consumed=True)
    assert (messages.unsettled, messages.read_up_to) == (0, 5)


@pytest.mark.parametrize("cumulative", [True, False])
def test_a_nack_settles_a_message_and_does_not_mark_it_read(*, cumulative: bool) -> None:
    messages = sent(1, 2, cumulative=cumulative)

    messages.settle(1, consumed=False)
    assert (messages.unsettled, messages.read_up_to) == (1, None)
    messages.settle(2, consumed=True)
    assert (messages.unsettled, messages.read_up_to) == (0, 2)


@pytest.mark.parametrize("cumulative", [True, False])
def test_the_first_ack_or_nack_of_a_message_counts(*, cumulative: bool) -> None:
    messages = sent(1, 2, 3, cumulative=cumulative)
    messages.settle(2, consumed=False)

    for consumed in (True, False, True):
        messages.settle(2, consumed=consumed)

    assert messages.read_up_to is None
    assert messages.unsettled == (1 if cumulative else 2)


def test_only_sent_messages_are_known() -> None:
    messages = sent(10, 20, 30)
    messages.settle(10, consumed=True)

    assert [messages.sent_already(position) for position in (10, 20, 30)] == [True] * 3
    assert [messages.sent_already(position) for position in (-1, 25, 31)] == [False] * 3
    assert not sent().sent_already(0)


def test_at_most_limit_messages_are_tracked() -> None:
    messages = sent(*range(10), limit=3)
    assert messages.unsettled == 3
    messages.settle(8, consumed=True)
    messages.sent(10)
    assert messages.unsettled == 2

    messages.sent(11)
    messages.settle(0, consumed=True)

    assert messages.unsettled == 3
    assert messages.read_up_to == 8


@given(
    st.booleans(),
    st.integers(1, 5),
    st.lists(st.one_of(st.none(), st.tuples(st.integers(0, 20), st.booleans())), max_size=40),
)
def test_unsettled_messages_are_the_newest_without_ack_or_nack(
    cumulative: bool,  # noqa: FBT001 - drawn
    limit: int,
    steps: list[tuple[int, bool] | None],
) -> None:
    messages = Inflight(cumulative=cumulative, limit=limit)
    waiting: list[int] = []
    count = 0
    for step in steps:
        if step is None:
            messages.sent(count)
            waiting.append(count)
            count += 1
        elif messages.sent_already(step[0]):
            messages.settle(step[0], consumed=step[1])
            waiting = [p for p in waiting if (p > step[0] if cumulative else p != step[0])]
        assert messages.unsettled <= limit
        # Messages beyond the limit count as settled.
        assert set(waiting[len(waiting) - messages.unsettled :]) <= set(waiting)
        assert messages.unsettled <= len(waiting)
        assert messages.sent_already(count) is False
