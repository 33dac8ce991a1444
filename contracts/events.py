"""The JSON schema of each event kind, and an example."""

from inspect import getdoc
from typing import Any

from madang_common.events.data import ALICE, BOB, ROOM, Audience
from madang_common.events.envelope import VERSION, Event
from madang_common.events.kinds import KINDS
from madang_common.log.position import ID_PATTERN

_POSITION = 2048
_FIELD = {Audience.ROOM: "room", Audience.USER: "user"}
"""The field of the envelope that names each audience."""


def sample(kind: str) -> dict[str, Any]:
    """Return an example of an event of `kind` as a client receives it."""
    data = KINDS[kind]
    in_room = Audience.ROOM in data.audience
    event = Event(
        key="06h06ktj3b4najqpbdoj5qtb",
        kind=kind,
        sender=ALICE,
        sender_name="Minji",
        at="2026-01-31T09:30:00.123Z",
        data=data.example,
        room=ROOM if in_room else None,
        user=None if in_room else BOB,
    )
    return event.document_at(_POSITION) if data.durable else event.document()


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON schema of an event of `kind` as a client receives it."""
    data = KINDS[kind]
    data_schema = data.model_json_schema()
    definitions = data_schema.pop("$defs", {})
    audiences = [_FIELD[audience] for audience in data.audience]
    properties: dict[str, Any] = {
        "v": {"const": VERSION},
        "key": {"type": "string", "description": "Chosen by the sender; unique per sender."},
        "kind": {"const": kind},
        **{name: {"type": "string"} for name in audiences},
        "sender": {"type": "string"},
        "sender_name": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "data": data_schema,
    }
    if data.durable:
        properties = {"id": {"type": "string", "pattern": f"^{ID_PATTERN}$"}} | properties
    required = list(properties)
    one_of = {}
    if len(audiences) > 1:
        required = [name for name in properties if name not in audiences]
        one_of = {"oneOf": [{"required": [name]} for name in audiences]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "description": getdoc(data),
        "type": "object",
        "properties": properties,
        "required": required,
        **one_of,
        "additionalProperties": False,
        "$defs": definitions,
    }
