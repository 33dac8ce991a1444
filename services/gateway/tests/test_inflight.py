import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.subscribe.inflight import Inflight


def sent(*positions: int, cumulative: bool = False, limit: int = 100) -> Inflight:
    messages = Inflight(cumulative=cumulative, limit=limit)
    for position in positions:
        messages.sent(position)
    return messages


def test_an_answer_in_client_mode_is_for_all_before_it() -> None:
    messages = sent(1, 2, 5, 9, cumulative=True)

    messages.answer(5, consumed=True)

    assert (messages.waiting, messages.read_up_to) == (1, 5)


def test_an_answer_in_client_individual_mode_is_for_one_message_alone() -> None:
    messages = sent(1, 2, 5)

    messages.answer(5, consumed=True)
    assert (messages.waiting, messages.read_up_to) == (2, None)
    messages.answer(1, consumed=True)
    assert (messages.waiting, messages.read_up_to) == (1, 1)
    messages.answer(2, consumed=True)
    assert (messages.waiting, messages.read_up_to) == (0, 5)


@pytest.mark.parametrize("cumulative", [True, False])
def test_what_was_refused_waits_no_more_and_is_not_read(*, cumulative: bool) -> None:
    messages = sent(1, 2, cumulative=cumulative)

    messages.answer(1, consumed=False)
    assert (messages.waiting, messages.read_up_to) == (1, None)
    messages.answer(2, consumed=True)
    assert (messages.waiting, messages.read_up_to) == (0, 2)


@pytest.mark.parametrize("cumulative", [True, False])
def test_an_answer_given_once_stands(*, cumulative: bool) -> None:
    messages = sent(1, 2, 3, cumulative=cumulative)
    messages.answer(2, consumed=False)

    for consumed in (True, False, True):
        messages.answer(2, consumed=consumed)

    assert messages.read_up_to is None
    assert messages.waiting == (1 if cumulative else 2)


def test_only_what_was_sent_is_known() -> None:
    messages = sent(10, 20, 30)
    messages.answer(10, consumed=True)

    assert [messages.sent_already(position) for position in (10, 20, 30)] == [True] * 3
    assert [messages.sent_already(position) for position in (-1, 25, 31)] == [False] * 3
    assert not sent().sent_already(0)


def test_no_more_are_remembered_than_the_limit() -> None:
    messages = sent(*range(10), limit=3)
    assert messages.waiting == 3
    messages.answer(8, consumed=True)
    messages.sent(10)
    assert messages.waiting == 2

    messages.sent(11)
    messages.answer(0, consumed=True)

    assert messages.waiting == 3
    assert messages.read_up_to == 8


@given(
    st.booleans(),
    st.integers(1, 5),
    st.lists(st.one_of(st.none(), st.tuples(st.integers(0, 20), st.booleans())), max_size=40),
)
def test_what_waits_is_what_was_sent_lately_and_not_answered(
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
            messages.answer(step[0], consumed=step[1])
            waiting = [p for p in waiting if (p > step[0] if cumulative else p != step[0])]
        assert messages.waiting <= limit
        # What stands behind more than the limit is as good as answered.
        assert set(waiting[len(waiting) - messages.waiting :]) <= set(waiting)
        assert messages.waiting <= len(waiting)
        assert messages.sent_already(count) is False
