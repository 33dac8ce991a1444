"""Two users, one room: the REST interfaces from outside."""

import httpx
import pytest

from tests.e2e.people import Person, register, shared_room
from tests.e2e.product import Product


def say(person: Person, room: str, text: str, **more: str) -> str:
    path = f"/api/gateway/v1/rooms/{room}/messages"
    answer = person.call("POST", path, status=201, json={"text": text, **more})
    return str(answer["id"])


def page(person: Person, room: str, what: str, **query: object) -> dict[str, object]:
    path = f"/api/history/v1/rooms/{room}/{what}"
    found: dict[str, object] = person.call("GET", path, status=200, params=query)
    return found


def eventually_stored(person: Person, room: str, message: str) -> None:
    """Wait until history has `message`; the log is ahead of it by milliseconds."""
    path = f"/api/history/v1/rooms/{room}/messages/{message}"
    for _ in range(500):
        headers = {"Authorization": f"Bearer {person.token}"}
        if person.client.get(path, headers=headers).status_code == 200:
            return
    raise AssertionError(f"{message} was never stored")


@pytest.mark.parametrize(
    ("what", "kinds"), [("events", {"kinds": "message.created"}), ("messages", {})]
)
def test_history_pages_both_ways(
    minji: Person, junho: Person, what: str, kinds: dict[str, str]
) -> None:
    room = shared_room(minji, junho)
    ids = [say(minji if n % 2 else junho, room, f"message {n}") for n in range(10)]
    eventually_stored(minji, room, ids[-1])
    query = {"limit": 4, **kinds}

    newest = page(junho, room, what, **query)
    older = page(junho, room, what, **query, before=newest["before"])
    newer = page(junho, room, what, **query, after=older["after"])

    def shown(found: dict[str, object]) -> list[str]:
        items = found["items"]
        assert isinstance(items, list)
        return [item["id"] for item in items]

    assert shown(newest) == ids[6:]
    assert shown(older) == ids[2:6]
    assert shown(newer) == ids[6:]


def test_ones_own_messages_are_not_unread(minji: Person, junho: Person) -> None:
    room = shared_room(minji, junho)
    before = say(minji, room, "before")
    say(minji, room, "one")
    last = say(junho, room, "two")
    eventually_stored(minji, room, last)

    path = f"/api/history/v1/rooms/{room}/messages/count"
    counts = [
        person.call("GET", path, status=200, params={"after": before}) for person in (minji, junho)
    ]

    assert counts == [{"count": 1, "more": False}] * 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/rooms/v1/rooms/{room}", None),
        ("GET", "/api/rooms/v1/rooms/{room}/members", None),
        ("PATCH", "/api/rooms/v1/rooms/{room}", {"name": "mine"}),
        ("POST", "/api/rooms/v1/rooms/{room}/invites", {}),
        ("POST", "/api/rooms/v1/rooms/{room}/archive", None),
        ("GET", "/api/history/v1/rooms/{room}/messages", None),
        ("GET", "/api/history/v1/rooms/{room}/messages/count", None),
        ("GET", "/api/history/v1/rooms/{room}/messages/000000000000", None),
        ("GET", "/api/history/v1/rooms/{room}/messages/000000000000/thread", None),
        ("GET", "/api/history/v1/rooms/{room}/messages/000000000000/versions", None),
        ("GET", "/api/history/v1/rooms/{room}/pins", None),
        ("GET", "/api/history/v1/rooms/{room}/events", None),
        ("GET", "/api/history/v1/rooms/{room}/events/000000000000", None),
        ("POST", "/api/gateway/v1/rooms/{room}/messages", {"text": "hello"}),
    ],
)
def test_a_stranger_gets_403_on_everything_of_a_room(
    minji: Person, junho: Person, method: str, path: str, body: dict[str, str] | None
) -> None:
    room = shared_room(minji)

    problem = junho.call(method, path.format(room=room), status=403, json=body)

    assert problem["type"] == "urn:madang:problem:not-a-member"


def test_what_is_internal_cannot_be_reached(product: Product, client: httpx.Client) -> None:
    for path in ("/internal/access", "/internal/token", "/internal/users/by-username/minji"):
        assert client.get(path).status_code == 404
        assert client.post(path).status_code in {404, 405}


def test_everything_survives_a_crash(mortal: Product) -> None:
    with httpx.Client(base_url=mortal.url, timeout=10) as client:
        minji, junho = register(client, "minji"), register(client, "junho")
        room = shared_room(minji, junho)
        said = [say(minji, room, f"message {n}") for n in range(20)]

        mortal.restart()

        eventually_stored(junho, room, said[-1])
        items = page(junho, room, "messages")["items"]
        assert isinstance(items, list)
        assert [item["id"] for item in items] == said
        tokens = {"refresh_token": minji.refresh_token}
        assert client.post("/api/auth/v1/refresh", json=tokens).status_code == 200


def test_the_page_says_what_it_may_load(client: httpx.Client) -> None:
    page = client.get("/")

    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
