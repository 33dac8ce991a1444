"""The STOMP interface as an AsyncAPI 3.0 document."""

from inspect import getdoc
from typing import Any

from madang_common.events.data import Audience
from madang_common.events.kinds import KINDS
from madang_gateway.protocol.destinations import ROOM_ACTIONS
from madang_gateway.protocol.stomp.negotiation import SUBPROTOCOLS
from madang_gateway.publish.command import ACTION_EVENTS
from madang_gateway.settings import GatewaySettings
from madang_gateway.upgrade.policy import PATH

_ROOM = {"room": {"description": "Id of the room."}}
_ROOM_TOPIC = (
    "The room's durable events. Headers: `since`; with `ack`, also `prefetch-count`, `read-marker`."
)


def _kinds(audience: Audience, *, durable: bool) -> tuple[str, ...]:
    return tuple(
        kind
        for kind, data in KINDS.items()
        if audience in data.audience and data.durable is durable
    )


_TOPICS = {
    "room": ("/topic/rooms.{room}", _ROOM_TOPIC, _kinds(Audience.ROOM, durable=True)),
    "roomLive": (
        "/topic/rooms.{room}.live",
        "The room's live events, which are not stored.",
        _kinds(Audience.ROOM, durable=False),
    ),
    "events": (
        "/user/queue/events",
        "The user's durable events. Header: `since`.",
        _kinds(Audience.USER, durable=True),
    ),
    "errors": ("/user/queue/errors", "Problems with this connection's frames.", ("problem",)),
}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for name, (address, summary, kinds) in _TOPICS.items():
        messages = {_name(kind): {"$ref": f"#/components/messages/{_name(kind)}"} for kind in kinds}
        channels[name] = _channel(address, summary, messages)
        operations[f"receive{name.title()}"] = _operation("receive", name)
    for name, action in ROOM_ACTIONS.items():
        data, body = ACTION_EVENTS[action]
        payload = {"payload": body.model_json_schema(), "contentType": "application/json"}
        summary = f"Sends `{data.kind}`{'; headers: `key`, `retry`' if data.durable else ''}."
        channels[name] = _channel(f"/app/rooms.{{room}}.{name}", summary, {name: payload})
        operations[f"send{name.title()}"] = _operation("send", name)
    token = {"payload": {"type": "string"}, "contentType": "text/plain"}
    channels["token"] = _channel(
        "/app/token", "Renew the connection's access token.", {"token": token}
    )
    operations["sendToken"] = _operation("send", "token")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Madang gateway",
            "version": "1",
            "description": (
                f"STOMP 1.0 to 1.2 over WebSocket at {PATH}, subprotocols "
                f"{', '.join(SUBPROTOCOLS)} or none. CONNECT carries an access token in "
                "`Authorization`, `token` or `passcode`. A SEND's RECEIPT carries `message-id`."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": f"localhost:{GatewaySettings.model_fields['port'].default}",
                "protocol": "ws",
                "pathname": PATH,
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": _messages()},
    }


def _channel(address: str, summary: str, messages: dict[str, Any]) -> dict[str, Any]:
    channel: dict[str, Any] = {"address": address, "summary": summary, "messages": messages}
    if "{room}" in address:
        channel["parameters"] = _ROOM
    return channel


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _messages() -> dict[str, Any]:
    published = {kind for _, _, kinds in _TOPICS.values() for kind in kinds if kind in KINDS}
    found: dict[str, Any] = {
        _name(kind): {
            "title": kind,
            "summary": getdoc(KINDS[kind]),
            "payload": {"$ref": f"./events/{kind}.schema.json"},
        }
        for kind in sorted(published)
    }
    found["problem"] = {
        "title": "problem",
        "contentType": "application/problem+json",
        "payload": {"type": "object", "required": ["type", "title", "status"]},
    }
    return found


def _name(kind: str) -> str:
    return kind.replace(".", "_")
