"""Looking messages up: in the cache, the recent events and history."""

import asyncio
from typing import Any

import pytest

from madang_common.events.envelope import Event
from madang_common.log.port import Batch
from madang_common.log.position import position, to_id
from madang_common.problems import NotFound, Unavailable
from madang_fold import Message
from madang_gateway.messages import lookup, seen
from services.gateway.tests.event_pipeline import EventPipeline, FakeHistory
from services.gateway.tests.harness import message, until


@pytest.fixture(autouse=True)
def _fast_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(seen, "_POLL_SECONDS", 0.0)


def about(kind: str, to: int, sender: str = "mina", **data: Any) -> Event:
    return message(kind=kind, sender=sender, data={"message": to_id(to), **data})


class Scene:
    """A pipeline, and a history that stores the log when told to."""

    def __init__(self, *, tail_bytes: int = 1_000_000) -> None:
        self.core = EventPipeline(tail_bytes=tail_bytes)
        self.history = FakeHistory()
        self.messages = self.core.messages(self.history)
        self._batches: list[Batch] = []

    def apply(self, *events: Event) -> list[int]:
        self._batches.append(Batch(self.core.offset, tuple(event.line() for event in events)))
        return self.core.apply(*events)

    def store(self) -> None:
        while self._batches:
            self.history.store(self._batches.pop(0))

    async def get(self, at: int, room: str = "yard") -> Message:
        return await self.messages.get(room, to_id(at))


async def test_a_recent_message_is_known_at_once() -> None:
    scene = Scene()
    (first,) = scene.apply(message("hi", sender="mina"))
    scene.apply(message("other"), about("reaction.added", first, "jun", emoji="👍"))

    state = scene.messages.known("yard", to_id(first))

    assert state is not None
    assert (state.sender, dict(state.reactions)) == ("mina", {"👍": ("jun",)})
    assert scene.history.requests == 0
    assert scene.core.metric("message_lookups_total", source="tail") == 1


async def test_a_cached_message_follows_the_log() -> None:
    scene = Scene()
    (first,) = scene.apply(message("hi"))
    await scene.get(first)

    scene.apply(about("message.deleted", first))

    state = scene.messages.known("yard", to_id(first))
    assert state is not None
    assert state.deleted
    assert scene.core.metric("message_lookups_total", source="tail") == 1


async def test_a_deleted_message_in_memory_is_still_known_as_deleted() -> None:
    scene = Scene()
    (first,) = scene.apply(message("hi"))

    scene.apply(about("message.deleted", first, "jun"))

    state = await scene.get(first)
    assert state.deleted
    assert state.deleted_by == "jun"


@pytest.mark.parametrize("room", ["yard", "well"])
async def test_recent_events_show_that_there_is_no_such_message(room: str) -> None:
    scene = Scene()
    first, joined = scene.apply(message("hi"), message(kind="member.joined", data={}))
    at = joined if room == "yard" else first

    with pytest.raises(NotFound):
        scene.messages.known(room, to_id(at))
    with pytest.raises(NotFound):
        await scene.get(at, room)
    assert scene.history.requests == 0


async def test_an_older_message_comes_from_history_with_the_later_events() -> None:
    scene = Scene(tail_bytes=700)
    (first,) = scene.apply(message("hi", sender="mina"))
    scene.apply(about("reaction.added", first, "jun", emoji="👍"))
    scene.store()
    for _ in range(3):
        scene.apply(message("x" * 100))
    scene.store()
    scene.apply(about("reaction.added", first, "ara", emoji="👍"))
    assert scene.messages.known("yard", to_id(first)) is None

    state = await scene.get(first)

    assert dict(state.reactions) == {"👍": ("jun", "ara")}
    assert scene.messages.known("yard", to_id(first)) is not None
    assert scene.history.requests == 1


async def test_history_may_be_ahead_of_this_gateway() -> None:
    scene = Scene(tail_bytes=300)
    (first,) = scene.apply(message("hi"))
    scene.apply(message("x" * 300))
    later = about("reaction.added", first, "jun", emoji="👍")
    scene.store()
    scene.history.store(Batch(scene.core.offset, (later.line(),)))

    assert dict((await scene.get(first)).reactions) == {"👍": ("jun",)}

    scene.core.apply(later, about("reaction.added", first, "ara", emoji="👍"))
    assert dict((await scene.get(first)).reactions) == {"👍": ("jun", "ara")}


async def test_a_history_that_lags_behind_memory_is_waited_for() -> None:
    scene = Scene(tail_bytes=300)
    (first,) = scene.apply(message("hi"))
    scene.apply(message("x" * 300))
    waiting = asyncio.create_task(scene.get(first))
    await until(lambda: scene.history.requests > 2)
    assert not waiting.done()

    scene.store()

    assert (await waiting).id == to_id(first)


async def test_a_history_that_lags_too_long_is_unavailable() -> None:
    scene = Scene(tail_bytes=300)
    (first,) = scene.apply(message("hi"))
    scene.apply(message("x" * 300))
    waiting = asyncio.create_task(scene.get(first))
    await until(lambda: scene.history.requests > 0)

    scene.core.time.now += 10

    with pytest.raises(Unavailable):
        await waiting


async def test_without_history_only_recent_messages_are_known() -> None:
    scene = Scene(tail_bytes=700)
    (old,) = scene.apply(message("hi"))
    for _ in range(3):
        scene.apply(message("x" * 100))
    (recent,) = scene.apply(message("hi"))
    scene.history.away = True

    assert (await scene.get(recent)).id == to_id(recent)
    with pytest.raises(Unavailable):
        await scene.get(old)


async def test_a_message_that_history_does_not_have_is_not_found() -> None:
    scene = Scene(tail_bytes=300)
    (first,) = scene.apply(message("hi", room="well"))
    scene.apply(message("x" * 300))
    scene.store()

    with pytest.raises(NotFound):
        await scene.get(first)
    assert scene.core.metric("message_lookups_total", source="nowhere") == 1


async def test_a_message_that_another_gateway_has_seen_is_waited_for() -> None:
    scene = Scene()
    at = position(scene.core.offset, 0)
    waiting = asyncio.create_task(scene.get(at))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()

    scene.apply(message("hi"))

    assert (await waiting).id == to_id(at)


async def test_an_id_that_never_comes_is_not_found() -> None:
    scene = Scene()
    waiting = asyncio.create_task(scene.get(position(99, 0)))
    await asyncio.sleep(0)

    scene.core.time.now += 4

    with pytest.raises(NotFound):
        await waiting


async def test_messages_are_asked_for_together() -> None:
    scene = Scene(tail_bytes=300)
    first, second = scene.apply(message("hi"), message("ho"))
    scene.apply(message("x" * 300))
    scene.store()

    states = await asyncio.gather(scene.get(first), scene.get(second), scene.get(first))

    assert [state.id for state in states] == [to_id(first), to_id(second), to_id(first)]
    assert scene.history.requests == 1


async def test_events_during_a_request_are_not_missed() -> None:
    scene = Scene(tail_bytes=700)
    (first,) = scene.apply(message("hi"))
    for _ in range(3):
        scene.apply(message("x" * 100))
    scene.store()
    waiting = asyncio.create_task(scene.get(first))
    await asyncio.sleep(0)

    scene.apply(about("message.deleted", first))

    assert (await waiting).deleted


async def test_a_message_with_very_many_recent_events_comes_from_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookup, "_MAX_EVENTS", 3)
    scene = Scene()
    (first,) = scene.apply(message("hi"))
    for _ in range(4):
        scene.apply(about("message.pinned", first))
    scene.store()

    assert (await scene.get(first)).id == to_id(first)
    assert scene.history.requests == 1
