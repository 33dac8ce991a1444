import pytest

from madang_client import ProtocolError
from madang_client.stomp.heartbeat import Heartbeat, agree, header


def test_each_side_uses_the_longer_interval() -> None:
    assert agree(10, "20000,5000") == Heartbeat(send_seconds=10, receive_seconds=20)


@pytest.mark.parametrize("answer", [None, "0,0"])
def test_a_server_without_heartbeats_gets_and_sends_none(answer: str | None) -> None:
    assert agree(10, answer) == Heartbeat(0, 0)


def test_a_client_without_heartbeats_gets_and_sends_none() -> None:
    assert header(0) == "0,0"
    assert agree(0, "10000,10000") == Heartbeat(0, 0)


@pytest.mark.parametrize("answer", ["1", "1,2,3", "a,b", "-1,0"])
def test_a_malformed_heartbeat_is_refused(answer: str) -> None:
    with pytest.raises(ProtocolError):
        agree(10, answer)
