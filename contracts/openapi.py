"""The OpenAPI document of each service, and of all of them as one."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from madang_common.http import openapi

Document = dict[str, Any]

_DESCRIPTIONS = {
    "auth": "Accounts, sessions and tokens.",
    "rooms": "Users, rooms, members, bans, invites and blocks.",
    "history": "Stored messages of rooms.",
    "gateway": "Sending without a WebSocket, and presence.",
}
_TAGS = {
    "accounts": "Registration and your own account.",
    "logins": "Login, logout, refresh of tokens, and the list of your sessions.",
    "keys": "The public keys that verify access tokens.",
    "users": "Public views of users.",
    "rooms": "Public, private and direct rooms.",
    "members": "The members of a room and their roles.",
    "bans": "Users who may not join a room.",
    "invites": "Invites to a room, by link or for one user.",
    "blocks": "Users whose invites and direct room are not shown to you.",
    "messages": "Sending messages, and reading them in their present state.",
    "events": "What happened in a room, as it was sent.",
    "presence": "Users who are in a room now.",
}
_ERRORS = (
    "Every error is a problem (RFC 9457) in `application/problem+json`. Any request may also be"
    " answered with 421 if its host is not served here, and with 500 after an internal error."
)
_ALL = (
    "The REST interface of Madang. Log in with `POST /api/auth/v1/login` and send the access token"
    " as `Authorization: Bearer <token>`. Live messages are sent and received over STOMP at `/ws`."
)


def service_document(name: str, app: FastAPI) -> Document:
    """Return the document of the service `name`."""
    description = f"{_DESCRIPTIONS[name]} {_ERRORS}"
    return _tagged(openapi.document(f"Madang {name}", description, app.state.routers))


def merged_document(documents: Mapping[str, Document]) -> Document:
    """Return all of `documents`, by service, as one; raise ValueError if two contradict."""
    merged: Document = {
        **next(iter(documents.values())),
        "info": {"title": "Madang", "description": f"{_ALL} {_ERRORS}", "version": openapi.VERSION},
        "paths": {},
        "components": {},
    }
    for document in documents.values():
        _add(merged["paths"], document["paths"])
        for kind, components in document["components"].items():
            _add(merged["components"].setdefault(kind, {}), components)
    merged["paths"] = dict(sorted(merged["paths"].items()))
    _check_ids(merged)
    return _tagged(merged)


def _add(into: Document, more: Document) -> None:
    for name, value in more.items():
        if into.setdefault(name, value) != value:
            raise ValueError(f"two services describe {name} differently")


def _check_ids(document: Document) -> None:
    ids = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    repeated = {name for name in ids if ids.count(name) > 1}
    if repeated:
        raise ValueError(f"operation ids are not unique: {sorted(repeated)}")


def _tagged(document: Document) -> Document:
    """Return `document` with descriptions of the tags that it uses."""
    used = {
        tag
        for path in document["paths"].values()
        for operation in path.values()
        for tag in operation["tags"]
    }
    unknown = used - _TAGS.keys()
    if unknown:
        raise ValueError(f"tags without a description: {sorted(unknown)}")
    tags = [{"name": tag, "description": text} for tag, text in _TAGS.items() if tag in used]
    return document | {"tags": tags}
