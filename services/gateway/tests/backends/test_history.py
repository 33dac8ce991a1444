import httpx
import pytest

from madang_common.http.client import create_client
from madang_common.log.port import Batch
from madang_common.problems import Unavailable
from madang_gateway.backends.history import History
from services.gateway.tests.event_pipeline import FakeHistory
from services.gateway.tests.harness import message

ROOM = "rooms.yard"


def history(answer: httpx.Response) -> History:
    return History(create_client("http://history", transport=httpx.MockTransport(lambda _: answer)))


async def test_a_page_has_the_events_after_a_position_oldest_first() -> None:
    stored = FakeHistory()
    stored.store(Batch(0, (message("a").line(), message("b").line(), message("c").line())))

    page = await stored.client().after(ROOM, 0, limit=1)

    assert [(at, event.data["text"]) for at, event in page.events] == [(1, "b")]
    assert not page.complete
    assert page.stored_to == (1 << 12) - 1
    assert page.reaches


async def test_a_page_can_start_at_the_first_event() -> None:
    stored = FakeHistory()
    stored.store(Batch(0, (message("a").line(),)))

    page = await stored.client().after(ROOM, -1, limit=10)

    assert [at for at, _ in page.events] == [0]
    assert page.complete


async def test_an_empty_history_has_stored_nothing() -> None:
    page = await FakeHistory().client().after(ROOM, -1, limit=10)

    assert (page.events, page.stored_to) == ([], None)


async def test_an_event_is_found_by_its_key() -> None:
    stored = FakeHistory()
    stored.store(Batch(3, (message("a", key="k").line(),)))

    found = await stored.client().by_key(ROOM, "mina", "k")
    assert found is not None
    at, event = found

    assert (at, event.data) == (3 << 12, {"text": "a"})
    assert await stored.client().by_key(ROOM, "mina", "other") is None


async def test_an_event_keeps_the_headers_of_its_send() -> None:
    document = message().document() | {"id": "0" * 12, "headers": {"x": "y"}}

    found = await history(httpx.Response(200, json=document)).by_key(ROOM, "mina", "k")

    assert found is not None
    assert found[1].headers == {"x": "y"}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(503),
        httpx.Response(200, text="nonsense"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"items": [{}], "stored_to": None, "complete": True}),
        httpx.Response(200, json={"items": [], "stored_to": "x", "complete": 1, "reaches": 1}),
        httpx.Response(200, json={"items": [7], "stored_to": None, "complete": 1, "reaches": 1}),
    ],
)
async def test_an_invalid_response_is_unavailable(answer: httpx.Response) -> None:
    with pytest.raises(Unavailable):
        await history(answer).after(ROOM, 0, limit=1)
    with pytest.raises(Unavailable):
        await history(answer).by_key(ROOM, "mina", "k")
