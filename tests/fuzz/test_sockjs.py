"""Valid and broken SockJS input: the result does not depend on fragmentation."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.protocol.sockjs import BrokenFraming, Reader, array, read
from tests.fuzz.campaign import Campaign
from tests.fuzz.mutations import cut, mutated

_TEXTS = st.lists(st.text(max_size=8) | st.sampled_from(["\n", "SEND\n\n\0", "마당"]), max_size=5)
_PAYLOADS = mutated(_TEXTS.map(orjson.dumps) | st.text(max_size=8).map(orjson.dumps))


def test_fragments_carry_what_the_whole_message_carries(campaign: Campaign) -> None:
    @given(_PAYLOADS, st.data())
    def carried_alike(payload: bytes, data: st.DataObject) -> None:
        *first, last = data.draw(cut(payload)) or [b""]
        reader = Reader()
        for piece in first:
            assert reader.receive(piece, fin=False) == []
        try:
            expected = read(payload)
        except BrokenFraming:
            with pytest.raises(BrokenFraming):
                reader.receive(last, fin=True)
            return
        assert reader.receive(last, fin=True) == expected

    campaign.run(carried_alike, examples=200)


def test_what_is_sent_is_what_a_client_reads(campaign: Campaign) -> None:
    @given(_TEXTS)
    def read_back(texts: list[str]) -> None:
        frame = array(*(text.encode() for text in texts))

        assert frame[:1] == b"a"
        assert read(frame[1:]) == [text.encode() for text in texts]

    campaign.run(read_back, examples=100)
