"""Events that change messages, in the recent events."""

from typing import Any

import orjson
import pytest

from madang_common.events.envelope import Event, read_line
from madang_common.log.position import to_id
from madang_gateway.subscribe.recovery import Recovery
from services.gateway.tests.event_pipeline import EventPipeline
from services.gateway.tests.harness import message


def about(kind: str, to: int, sender: str = "mina", **data: Any) -> Event:
    return message(kind=kind, sender=sender, data={"message": to_id(to), **data})


def kept(core: EventPipeline, room: str = "yard") -> list[dict[str, Any]]:
    """Return the data of the recent events of `room`."""
    lines = core.recent_events.after(f"rooms.{room}", -1, 100)
    return [dict(read_line(line).data) for _, line in lines]


def test_a_deletion_redacts_creation_and_edits() -> None:
    core = EventPipeline()
    (first,) = core.apply(
        message(data={"text": "secret", "type": "note", "meta": {"secret": 1}, "mentions": ["jun"]})
    )
    core.apply(about("message.edited", first, text="secret too", meta={"secret": 2}))
    core.apply(message("other"))

    core.apply(about("message.deleted", first, reason="oops"))

    assert kept(core) == [
        {"text": "", "type": "note", "redacted": True},
        {"message": to_id(first), "redacted": True},
        {"text": "other"},
        {"message": to_id(first), "reason": "oops"},
    ]
    assert core.metric("redactions_total") == 1


def test_a_deletion_in_the_batch_of_the_creation_redacts_too() -> None:
    core = EventPipeline()

    core.apply(message("secret"), about("message.deleted", 0))

    assert kept(core)[0] == {"text": "", "redacted": True}


def test_headers_of_a_deleted_message_go_too() -> None:
    core = EventPipeline()
    (first,) = core.apply(message("secret")._replace(headers={"x-color": "secret"}))

    core.apply(about("message.deleted", first))

    assert all(b"secret" not in line for _, line in core.recent_events.after("rooms.yard", -1, 9))


def test_an_edit_after_the_deletion_is_redacted() -> None:
    core = EventPipeline()
    (first,) = core.apply(message("secret"))
    core.apply(about("message.deleted", first))

    core.apply(about("message.edited", first, text="secret"))

    assert kept(core)[-1] == {"message": to_id(first), "redacted": True}


def test_other_messages_keep_their_content() -> None:
    core = EventPipeline()
    first, second = core.apply(message("a"), message("b"))
    reply = {"text": "c", "thread": to_id(first), "meta": {"kind": "message.edited"}}
    core.apply(message(data=reply), about("message.edited", second, text="d"))
    before = kept(core)[1:]

    core.apply(about("message.deleted", first))

    assert kept(core)[1:-1] == before


def test_a_message_of_another_room_with_the_same_id_is_not_redacted() -> None:
    core = EventPipeline()
    (first,) = core.apply(message("a", room="well"))

    core.apply(about("message.deleted", first))

    assert kept(core, "well") == [{"text": "a"}]


@pytest.mark.parametrize("to", ["", "nonsense", 5, None, "zzzzzzzzzzzz", to_id(1 << 59)])
def test_a_malformed_deletion_deletes_nothing(to: object) -> None:
    core = EventPipeline()
    core.apply(message("a"))

    core.apply(message(kind="message.deleted", data={"message": to}))

    assert kept(core)[0] == {"text": "a"}


def test_a_deletion_of_a_message_that_is_no_longer_in_memory_redacts_its_edits() -> None:
    core = EventPipeline(tail_bytes=700)
    (first,) = core.apply(message("a" * 300))
    core.apply(about("message.edited", first, text="secret"))
    core.apply(message("b"))

    core.apply(about("message.deleted", first))

    assert {"message": to_id(first), "redacted": True} in kept(core)


class Replayed:
    """A subscription that is resumed."""

    in_debt = False

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def begin(self, **_: Any) -> None:
        pass

    def deliver(self, events: list[Any]) -> None:
        self.bodies += [one.body for one in events]

    def go_live(self) -> None:
        pass

    def charge(self, cost: float) -> None:
        pass

    async def ready(self) -> None:
        pass


async def test_no_replay_from_memory_shows_what_was_deleted() -> None:
    core = EventPipeline()
    (first,) = core.apply(message("secret"))
    core.apply(about("message.edited", first, text="secret"), about("message.deleted", first))
    recovery = Recovery(
        core.recent_events,
        None,  # type: ignore[arg-type] # memory suffices
        seen=core.seen,
        shards=1,
        page=10,
        chunk_bytes=1000,
        seconds=1,
        metrics=core.metrics,
        clock=core.time,
    )
    target = Replayed()

    await recovery.replay("rooms.yard", -1, target)

    assert [orjson.loads(body)["kind"] for body in target.bodies] == [
        "message.created",
        "message.edited",
        "message.deleted",
    ]
    assert b"secret" not in b"".join(target.bodies)


def test_plain_messages_are_not_looked_at() -> None:
    core = EventPipeline()
    core.listener()

    (first,) = core.apply(message("a"))

    assert core.recent_events.about("rooms.yard", to_id(first), -1)
    assert core.recent_events._events["rooms.yard"].index is None
