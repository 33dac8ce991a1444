import orjson
import pytest
from pydantic import ValidationError

from madang_common.events.envelope import Event, read_line
from madang_common.events.kinds import DURABLE, LIVE, Data, document, kind_of

KINDS = DURABLE | LIVE
SAMPLES: dict[str, dict[str, object]] = {
    "message.created": {"text": "마당에서 만나요 👋"},
    "member.joined": {"user": "u1", "name": "안나", "role": "member", "by": "u2"},
    "member.left": {"user": "u1", "name": "Ana"},
    "member.removed": {"user": "u1", "name": "Ana", "by": "u2"},
    "member.banned": {"user": "u1", "name": "Ana", "by": "u2", "removed": True},
    "member.unbanned": {"user": "u1", "name": "Ana", "by": "u2"},
    "member.role_changed": {"user": "u1", "name": "Ana", "role": "moderator", "by": "u2"},
    "room.created": {"name": "마당", "visibility": "private"},
    "room.updated": {"name": "뒷마당"},
    "room.archived": {},
    "invite.received": {"room": "r1", "room_name": "마당", "code": "c0de", "by": "u2"},
    "invite.declined": {"room": "r1", "code": "c0de"},
    "membership.added": {"room": "r1", "room_name": "마당", "role": "owner"},
    "membership.removed": {"room": "r1", "by": "u2"},
    "room.hidden": {"room": "r1", "hidden": True},
    "room.typing": {},
    "room.read": {"upto": "000000000400"},
    "presence.joined": {"user": "u1", "name": "Ana"},
    "presence.left": {"user": "u1", "name": "Ana"},
    "presence.entered": {},
    "presence.quit": {},
    "login.ended": {"login": "*"},
}

OPTIONAL = {"member.role_changed": {"name"}}


def test_there_is_a_sample_of_every_kind() -> None:
    assert SAMPLES.keys() == KINDS.keys()
    assert not DURABLE.keys() & LIVE.keys()


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_sample_comes_back_from_the_log(kind: str) -> None:
    data = KINDS[kind].model_validate(SAMPLES[kind])
    event = Event(
        key="k",
        kind=kind_of(data),
        sender="u2",
        sender_name="Bo",
        at="2026-01-01T00:00:00.000Z",
        data=document(data),
        room="r1",
    )

    read = read_line(event.line())

    assert read.kind == kind
    assert KINDS[read.kind].model_validate(read.data) == data
    assert orjson.loads(read.body(0))["data"] == SAMPLES[kind]


@pytest.mark.parametrize("model", KINDS.values(), ids=KINDS)
def test_nothing_that_is_not_named_gets_into_an_event(model: type[Data]) -> None:
    kind = kind_of(model.model_construct())

    with pytest.raises(ValidationError, match="password"):
        model.model_validate(SAMPLES[kind] | {"password": "secret"})


@pytest.mark.parametrize("kind", [kind for kind, sample in SAMPLES.items() if sample])
def test_every_field_is_needed(kind: str) -> None:
    for name in SAMPLES[kind].keys() - OPTIONAL.get(kind, set()):
        rest = {field: value for field, value in SAMPLES[kind].items() if field != name}
        with pytest.raises(ValidationError, match=name):
            KINDS[kind].model_validate(rest)
