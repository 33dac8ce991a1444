"""Ids of events, as clients give them back: read exactly, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common import base32hex
from madang_common.log.position import MAX_LINES, from_id, offset_of, position, to_id
from madang_common.problems import InvalidRequest
from madang_gateway.subscribe.recovery import read_since, to_since
from tests.fuzz.campaign import Campaign
from tests.fuzz.mutations import mutated

_IDS = st.integers(0, (1 << 60) - 1).map(to_id)
_TEXTS = st.one_of(
    _IDS,
    mutated(_IDS.map(str.encode)).map(lambda data: data.decode("utf-8", "replace")),
    st.text(max_size=14),
    st.text("0123456789abcdefghijklmnopqrstuvwVxX_+- \n٣", min_size=12, max_size=12),
    st.sampled_from(["start", "Start", "-1", "0x0000000000", "0_0_0_0_0_0_"]),
)


def test_an_id_is_read_exactly_or_refused(campaign: Campaign) -> None:
    @given(_TEXTS)
    def read_exactly(text: str) -> None:
        try:
            at = from_id(text)
        except ValueError:
            return
        assert to_id(at) == text
        assert position(offset_of(at), at % MAX_LINES) == at

    campaign.run(read_exactly, examples=300)


def test_where_a_client_resumes_is_read_exactly_or_refused(campaign: Campaign) -> None:
    @given(_TEXTS)
    def read_exactly(text: str) -> None:
        try:
            since = read_since(text)
        except InvalidRequest:
            with pytest.raises(ValueError, match="not"):
                from_id(text)
            return
        assert since is not None
        assert to_since(since) == text

    campaign.run(read_exactly, examples=300)


def test_numbers_come_back_from_their_digits_and_sort_alike(campaign: Campaign) -> None:
    numbers = st.integers(0, (1 << 60) - 1)

    @given(numbers, numbers)
    def come_back(one: int, other: int) -> None:
        first, second = base32hex.encode(one, 12), base32hex.encode(other, 12)
        assert (base32hex.decode(first), base32hex.decode(second)) == (one, other)
        assert (first < second) == (one < other)

    campaign.run(come_back, examples=200)
