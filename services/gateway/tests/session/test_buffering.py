import pytest

from madang_gateway.limits.budget import BufferQuota
from madang_gateway.protocol.stomp.errors import ProtocolError
from madang_gateway.protocol.stomp.events import Send, Unsubscribe
from madang_gateway.session import disconnects
from madang_gateway.session.buffering import Buffered, Oversized, overflow, queue_entry


def send(body: bytes, **headers: str) -> Send:
    return Send("/app/rooms.yard.send", headers, body, "r")


def test_the_size_of_a_queued_frame_includes_headers_and_body() -> None:
    small, large = send(b""), send(b"x" * 100, key="k" * 10)

    _, overhead = queue_entry(small, 1000)
    queued, size = queue_entry(large, 1000)

    assert queued is large
    assert size == overhead + 100 + len("key") + 10


def test_the_body_of_an_oversized_send_is_not_queued() -> None:
    queued, size = queue_entry(send(b"x" * 1001), 1000)

    assert queued == Oversized("r", "/app/rooms.yard.send")
    assert size < 1001


@pytest.mark.parametrize(
    "frame", [Unsubscribe("s", {}, None), ProtocolError("bad", "A bad frame.")], ids=type
)
def test_frames_without_a_body_have_a_size(frame: Unsubscribe | ProtocolError) -> None:
    assert queue_entry(frame, 1000)[1] > 0


@pytest.mark.parametrize("buffered", Buffered)
def test_an_exceeded_connection_quota_ends_a_slow_consumer(buffered: Buffered) -> None:
    label, why, problem = overflow(BufferQuota.CONNECTION_EXCEEDED, buffered)

    assert (label, why) == (buffered.value, disconnects.SLOW_CONSUMER)
    assert problem.detail


@pytest.mark.parametrize("buffered", Buffered)
def test_an_exceeded_shared_quota_ends_the_connection_that_exceeds_it(buffered: Buffered) -> None:
    label, why, _ = overflow(BufferQuota.SHARED_EXCEEDED, buffered)

    assert (label, why) == ("quota", disconnects.OVER_QUOTA)
