"""The permission matrix through the REST interface: every request by every role."""

from dataclasses import dataclass

import httpx
import pytest

from services.rooms.tests.harness import API, Harness, Person, read

WHO = ("owner", "moderator", "member", "stranger")
OTHERS = ("other owner", "other moderator", "other member", "invitable", "banned")


@pytest.fixture
def harness(embedded_harness: Harness) -> Harness:
    """Give the service on one database; permissions do not depend on it."""
    return embedded_harness


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """`{room}`, `{code}` and `{other …}` are filled in."""
    body: object
    expected: tuple[int, int, int, int]
    """For owner, moderator, member, stranger."""


ROLE = "/rooms/{room}/members/"
BAN = "/rooms/{room}/bans/"
REQUESTS = {
    "see the room": Request("GET", "/rooms/{room}", None, (200, 200, 200, 403)),
    "list members": Request("GET", "/rooms/{room}/members", None, (200, 200, 200, 403)),
    "list invites": Request("GET", "/rooms/{room}/invites", None, (200, 200, 403, 403)),
    "rename": Request("PATCH", "/rooms/{room}", {"name": "x"}, (200, 200, 403, 403)),
    "archive": Request("POST", "/rooms/{room}/archive", None, (200, 403, 403, 403)),
    "invite by link": Request("POST", "/rooms/{room}/invites", {}, (201, 201, 403, 403)),
    "invite a user": Request(
        "POST", "/rooms/{room}/invites", {"user": "{invitable}"}, (201, 201, 403, 403)
    ),
    "revoke an invite": Request(
        "DELETE", "/rooms/{room}/invites/{code}", None, (204, 204, 403, 403)
    ),
    "join": Request("POST", "/rooms/{room}/join", None, (200, 200, 200, 403)),
    "leave": Request("POST", "/rooms/{room}/leave", None, (204, 204, 204, 403)),
    "remove a member": Request("DELETE", ROLE + "{other member}", None, (204, 204, 403, 403)),
    "remove a moderator": Request("DELETE", ROLE + "{other moderator}", None, (204, 403, 403, 403)),
    "remove an owner": Request("DELETE", ROLE + "{other owner}", None, (403, 403, 403, 403)),
    "remove a user who is not a member": Request(
        "DELETE", ROLE + "{invitable}", None, (404, 404, 404, 403)
    ),
    "ban a member": Request("PUT", BAN + "{other member}", None, (201, 201, 403, 403)),
    "ban a moderator": Request("PUT", BAN + "{other moderator}", None, (201, 403, 403, 403)),
    "ban an owner": Request("PUT", BAN + "{other owner}", None, (403, 403, 403, 403)),
    "ban a user who is not a member": Request(
        "PUT", BAN + "{invitable}", None, (201, 201, 403, 403)
    ),
    "ban an unknown user": Request("PUT", BAN + "nobody", None, (404, 404, 403, 403)),
    "ban oneself": Request("PUT", BAN + "{me}", None, (409, 409, 403, 403)),
    "list bans": Request("GET", "/rooms/{room}/bans", None, (200, 200, 403, 403)),
    "see a ban": Request("GET", BAN + "{banned}", None, (200, 200, 403, 403)),
    "lift a ban": Request("DELETE", BAN + "{banned}", None, (204, 204, 403, 403)),
    "lift no ban": Request("DELETE", BAN + "{invitable}", None, (404, 404, 403, 403)),
    "remove oneself": Request("DELETE", ROLE + "{me}", None, (409, 409, 409, 403)),
    **{
        f"make the {target} a {role}": Request(
            "PATCH", f"{ROLE}{{other {target}}}", {"role": role}, expected
        )
        for target, expected in {
            "member": (200, 403, 403, 403),
            "moderator": (200, 403, 403, 403),
            "owner": (403, 403, 403, 403),
        }.items()
        for role in ("member", "moderator", "owner")
    },
    "change the role of a user who is not a member": Request(
        "PATCH", ROLE + "{invitable}", {"role": "member"}, (404, 404, 404, 403)
    ),
    "become an owner": Request("PATCH", ROLE + "{me}", {"role": "owner"}, (200, 403, 403, 403)),
    "become a moderator": Request(
        "PATCH", ROLE + "{me}", {"role": "moderator"}, (200, 200, 403, 403)
    ),
    "become a member": Request("PATCH", ROLE + "{me}", {"role": "member"}, (200, 200, 200, 403)),
}


class House:
    """A private room with two members of each role, a user to invite, and a stranger."""

    def __init__(self, room: str, code: str, people: dict[str, Person]) -> None:
        self.room = room
        self.people = people
        self._code = code

    @classmethod
    async def build(cls, harness: Harness) -> "House":
        people = {name: await harness.person(name.replace(" ", "-")) for name in (*WHO, *OTHERS)}
        owner = people["owner"]
        room = await owner.make_room("private")
        for name in ("moderator", "member", "other owner", "other moderator", "other member"):
            await owner.bring(room, people[name], name.rpartition(" ")[2])
        read(await owner.request("PUT", f"/rooms/{room}/bans/{people['banned'].id}"), 201)
        return cls(room, await owner.invite(room), people)

    async def send(self, who: str, request: Request) -> httpx.Response:
        ids = {name: person.id for name, person in self.people.items()}
        names = {**ids, "room": self.room, "code": self._code, "me": ids[who]}
        body = request.body
        if isinstance(body, dict):
            body = {field: value.format_map(names) for field, value in body.items()}
        return await self.people[who].request(request.method, request.path.format_map(names), body)

    async def state(self) -> object:
        owner = self.people["other owner"]
        return [
            await owner.get(f"/rooms/{self.room}{part}")
            for part in ("", "/members", "/invites", "/bans")
        ]


ALLOWED = [
    (what, who)
    for what, request in REQUESTS.items()
    for who, status in zip(WHO, request.expected, strict=True)
    if status < 400
]


@pytest.mark.parametrize(("what", "who"), ALLOWED)
async def test_a_role_permits_its_actions(harness: Harness, what: str, who: str) -> None:
    house = await House.build(harness)
    request = REQUESTS[what]

    answer = await house.send(who, request)

    read(answer, request.expected[WHO.index(who)])


@pytest.mark.parametrize("who", WHO)
async def test_a_forbidden_action_changes_nothing(harness: Harness, who: str) -> None:
    house = await House.build(harness)
    before = await house.state()
    refused = [what for what in REQUESTS if (what, who) not in ALLOWED]
    assert refused

    for what in refused:
        expected = REQUESTS[what].expected[WHO.index(who)]
        problem = read(await house.send(who, REQUESTS[what]), expected)

        assert await house.state() == before, what
        slug = {403: "forbidden", 404: "not-found", 409: "conflict"}[expected]
        slug = "not-a-member" if who == "stranger" else slug
        assert problem["type"] == f"urn:madang:problem:{slug}", what


async def test_every_action_in_an_unknown_room_is_not_found(harness: Harness) -> None:
    nari = await harness.person("nari")
    house = House("none", "none", dict.fromkeys((*WHO, *OTHERS, "nari"), nari))

    for request in REQUESTS.values():
        problem = read(await house.send("nari", request), 404)
        assert problem["type"] == "urn:madang:problem:not-found"


async def test_every_action_without_a_token_is_unauthenticated(harness: Harness) -> None:
    for request in REQUESTS.values():
        path = API + request.path.replace("{", "").replace("}", "").replace(" ", "-")

        answer = await harness.client.request(request.method, path, json=request.body)

        assert read(answer, 401)["type"] == "urn:madang:problem:unauthenticated"
