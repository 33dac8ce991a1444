"""Each kind of event as a JSON schema, with a sample."""

from typing import Any

from madang_common.events import kinds
from madang_common.events.envelope import VERSION, Event
from madang_common.events.kinds import DURABLE, LIVE, Data, Role, Visibility, document

_ROOM = "06h06kth7cvnl2h7pm7u28th"
_ALICE = "06h06ktdkrb2i5o61ro2lqhs"
_BOB = "06h06kteqf9fct0dendon72d"
_POSITION = 2048

_SAMPLES: tuple[Data, ...] = (
    kinds.MessageCreated(text="안녕하세요, everyone 👋"),
    kinds.MemberJoined(user=_BOB, name="Junho", role=Role.MEMBER, by=_BOB),
    kinds.MemberLeft(user=_BOB, name="Junho"),
    kinds.MemberRemoved(user=_BOB, name="Junho", by=_ALICE),
    kinds.MemberBanned(user=_BOB, name="Junho", by=_ALICE, removed=True),
    kinds.MemberUnbanned(user=_BOB, name="Junho", by=_ALICE),
    kinds.MemberRoleChanged(user=_BOB, name="Junho", role=Role.MODERATOR, by=_ALICE),
    kinds.RoomCreated(name="마당", visibility=Visibility.PRIVATE),
    kinds.RoomUpdated(name="Courtyard"),
    kinds.RoomArchived(),
    kinds.InviteReceived(room=_ROOM, room_name="마당", code="06h06ktha7751s1ms7lduf3v", by=_ALICE),
    kinds.InviteDeclined(room=_ROOM, code="06h06ktha7751s1ms7lduf3v"),
    kinds.RoomHidden(room=_ROOM, hidden=True),
    kinds.MembershipAdded(room=_ROOM, room_name="마당", role=Role.MEMBER),
    kinds.MembershipRemoved(room=_ROOM, by=_ALICE),
    kinds.RoomTyping(),
    kinds.RoomRead(upto="000000000800"),
    kinds.PresenceJoined(user=_ALICE, name="Minji"),
    kinds.PresenceLeft(user=_ALICE, name="Minji"),
    kinds.PresenceEntered(),
    kinds.PresenceQuit(),
    kinds.LoginEnded(login="06h06ktj1om2bua34ookk9hv"),
)


def sample(kind: str) -> dict[str, Any]:
    """Return an event of `kind` as a client receives it."""
    data = next(data for data in _SAMPLES if isinstance(data, (DURABLE | LIVE)[kind]))
    event = Event(
        key="06h06ktj3b4najqpbdoj5qtb",
        kind=kind,
        sender=_ALICE,
        sender_name="Minji",
        at="2026-01-31T09:30:00.123Z",
        data=document(data),
        room=None if kind in kinds.OF_USERS else _ROOM,
        user=_BOB if kind in kinds.OF_USERS else None,
    )
    return event.document() if kind in LIVE else event.placed(_POSITION)


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON schema of an event of `kind` as a client receives it."""
    model = (DURABLE | LIVE)[kind]
    data = model.model_json_schema()
    definitions = data.pop("$defs", {})
    audience = "user" if kind in kinds.OF_USERS else "room"
    properties: dict[str, Any] = {
        "v": {"const": VERSION},
        "key": {"type": "string", "description": "Chosen by the sender; unique per sender."},
        "kind": {"const": kind},
        audience: {"type": "string"},
        "sender": {"type": "string"},
        "sender_name": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "data": data,
    }
    if kind in DURABLE:
        properties = {"id": {"type": "string", "pattern": "^[0-9a-v]{12}$"}} | properties
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "description": model.__doc__,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "$defs": definitions,
    }
