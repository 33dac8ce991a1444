"""People who use the product over REST."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

PASSWORD = "correct horse battery"


@dataclass
class Person:
    """A registered, logged-in user."""

    id: str
    username: str
    token: str
    refresh_token: str
    client: httpx.Client

    def call(self, method: str, path: str, *, status: int, **options: Any) -> Any:
        """Send a request as this person; it must be answered with `status`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.client.request(method, path, headers=headers, **options)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json() if answer.content else None


def register(client: httpx.Client, name: str) -> Person:
    """Return a new person whose username begins with `name`."""
    username = f"{name}-{secrets.token_hex(4)}"
    account = {"username": username, "password": PASSWORD}
    answer = client.post("/api/auth/v1/register", json=account | {"display_name": name.title()})
    assert answer.status_code == 201, answer.text
    user = answer.json()["id"]
    answer = client.post("/api/auth/v1/login", json=account)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    return Person(user, username, tokens["access_token"], tokens["refresh_token"], client)


def shared_room(owner: Person, *others: Person, name: str = "마당") -> str:
    """Return the id of a private room that all of them are members of."""
    body = {"name": name, "visibility": "private"}
    room: str = owner.call("POST", "/api/rooms/v1/rooms", status=201, json=body)["id"]
    invites = f"/api/rooms/v1/rooms/{room}/invites"
    code = owner.call("POST", invites, status=201, json={})["code"]
    for other in others:
        other.call("POST", f"/api/rooms/v1/invites/{code}/accept", status=200)
    return room
