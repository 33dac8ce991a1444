import asyncio
from pathlib import Path

import pytest

from services.rooms.tests.harness import Harness, embedded_log, events_of, read, running


async def test_anyone_joins_by_a_link(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")

    made = read(
        await nari.request("POST", f"/rooms/{room}/invites", {"expires_in_seconds": 60, "uses": 2}),
        201,
    )
    entered = read(await dae.accept(made["code"]), 200)

    assert made == {
        "code": made["code"],
        "expires_at": "2027-01-15T08:01:00.000Z",
        "uses_left": 2,
        "user": None,
        "created_by": nari.id,
        "created_at": "2027-01-15T08:00:00.000Z",
    }
    assert (entered["id"], entered["role"], entered["members"]) == (room, "member", 2)
    events = await events_of(harness.log, f"rooms.{room}", "member.joined", times=2)
    assert events[-1]["sender"] == dae.id
    assert events[-1]["data"]["by"] == nari.id
    (left,) = (await nari.get(f"/rooms/{room}/invites"))["items"]
    assert left["uses_left"] == 1


async def test_an_invite_without_a_body_has_the_defaults(harness: Harness) -> None:
    nari = await harness.person("nari")
    room = await nari.make_room("private")

    made = read(await nari.request("POST", f"/rooms/{room}/invites"), 201)

    assert (made["expires_at"], made["uses_left"]) == ("2027-01-22T08:00:00.000Z", 100)


async def test_accepting_as_a_member_counts_no_use(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")
    code = await nari.invite(room, uses=1)

    by_owner = read(await nari.accept(code), 200)
    first = read(await dae.accept(code), 200)
    again = read(await dae.accept(code), 200)

    assert by_owner["role"] == "owner"
    assert first == again


async def test_a_used_up_invite_is_gone(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room("private")
    code = await nari.invite(room, uses=1)
    read(await dae.accept(code), 200)

    refused = read(await eun.accept(code), 410)

    assert refused["type"] == "urn:madang:problem:gone"
    assert (await nari.get(f"/rooms/{room}/invites"))["items"] == []
    read(await nari.request("DELETE", f"/rooms/{room}/members/{dae.id}"), 204)
    read(await dae.accept(code), 410)


async def test_an_expired_invite_is_gone(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")
    code = await nari.invite(room, expires_in_seconds=60)
    personal = await nari.invite(room, user=dae.id, expires_in_seconds=60)

    harness.clock.now += 60

    read(await dae.accept(code), 410)
    read(await dae.accept(personal), 410)
    assert (await nari.get(f"/rooms/{room}/invites"))["items"] == []
    assert (await dae.get("/invites"))["items"] == []


async def test_a_long_expired_invite_is_deleted(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")
    code = await nari.invite(room)

    harness.clock.now += 15 * 86_400
    await nari.invite(room)

    read(await dae.accept(code), 404)


async def test_no_more_users_join_than_an_invite_has_uses(harness: Harness) -> None:
    nari = await harness.person("nari")
    people = [await harness.person(f"user{number}") for number in range(8)]
    room = await nari.make_room("private")

    for uses in (1, 3):
        code = await nari.invite(room, uses=uses)
        answers = await asyncio.gather(*(person.accept(code) for person in people))

        statuses = [answer.status_code for answer in answers]
        assert sorted(statuses) == [200] * uses + [410] * (8 - uses)
        assert (await nari.get(f"/rooms/{room}"))["members"] == 1 + uses
        for person, status in zip(people, statuses, strict=True):
            if status == 200:
                read(await person.request("POST", f"/rooms/{room}/leave"), 204)


async def test_concurrent_accepts_of_one_user_count_one_use(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")
    code = await nari.invite(room, uses=2)

    answers = await asyncio.gather(*(dae.accept(code) for _ in range(4)))

    assert [answer.status_code for answer in answers] == [200] * 4
    (invite,) = (await nari.get(f"/rooms/{room}/invites"))["items"]
    assert invite["uses_left"] == 1


async def test_only_the_invited_user_accepts_an_invite(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room("private", "비밀 🤫")

    made = read(await nari.request("POST", f"/rooms/{room}/invites", {"user": dae.id}), 201)
    refused = read(await eun.accept(made["code"]), 403)
    (received,) = (await dae.get("/invites"))["items"]
    entered = read(await dae.accept(made["code"]), 200)

    assert made["uses_left"] == 1
    assert made["user"]["id"] == dae.id
    assert refused["type"] == "urn:madang:problem:forbidden"
    assert received == {
        "code": made["code"],
        "room": {"id": room, "name": "비밀 🤫", "visibility": "private"},
        "by": {"id": nari.id, "username": "nari", "display_name": "nari"},
        "expires_at": "2027-01-22T08:00:00.000Z",
        "created_at": "2027-01-15T08:00:00.000Z",
    }
    assert entered["role"] == "member"
    assert (await dae.get("/invites"))["items"] == []
    events = await events_of(harness.log, f"users.{dae.id}", "membership.added")
    assert [(event["kind"], event["data"]) for event in events] == [
        (
            "invite.received",
            {"room": room, "room_name": "비밀 🤫", "code": made["code"], "by": nari.id},
        ),
        ("membership.added", {"room": room, "room_name": "비밀 🤫", "role": "member"}),
    ]


async def test_inviting_a_user_again_returns_the_same_invite_without_another_event(
    harness: Harness,
) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")

    codes = await asyncio.gather(*(nari.invite(room, user=dae.id) for _ in range(4)))

    assert len(set(codes)) == 1
    read(await dae.accept(codes[0]), 200)
    events = await events_of(harness.log, f"users.{dae.id}", "membership.added")
    assert [event["kind"] for event in events] == ["invite.received", "membership.added"]
    read(await nari.request("POST", f"/rooms/{room}/invites", {"user": dae.id}), 409)


async def test_a_revoked_invite_is_not_found(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room, other = await nari.make_room(), await nari.make_room()
    code = await nari.invite(room)

    read(await nari.request("DELETE", f"/rooms/{other}/invites/{code}"), 404)
    read(await nari.request("DELETE", f"/rooms/{room}/invites/{code}"), 204)

    read(await dae.accept(code), 404)
    read(await nari.request("DELETE", f"/rooms/{room}/invites/{code}"), 404)


async def test_invites_come_in_pages(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    rooms = [await nari.make_room() for _ in range(3)]
    for_dae = [await nari.invite(room, user=dae.id) for room in rooms]
    links = [await nari.invite(rooms[0]) for _ in range(2)]

    first = await dae.get("/invites?limit=2")
    second = await dae.get(f"/invites?limit=2&cursor={first['next']}")
    of_room = await nari.get(f"/rooms/{rooms[0]}/invites?limit=2")
    rest = await nari.get(f"/rooms/{rooms[0]}/invites?limit=2&cursor={of_room['next']}")

    assert [invite["code"] for invite in first["items"] + second["items"]] == for_dae[::-1]
    found = [invite["code"] for invite in of_room["items"] + rest["items"]]
    assert found == [for_dae[0], *links]
    assert second["next"] is rest["next"] is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"expires_in_seconds": 0}, 422),
        ({"expires_in_seconds": -1}, 422),
        ({"expires_in_seconds": 30 * 86_400 + 1}, 422),
        ({"expires_in_seconds": 10**30}, 422),
        ({"expires_in_seconds": "soon"}, 422),
        ({"uses": 0}, 422),
        ({"uses": 10_001}, 422),
        ({"uses": 1.5}, 422),
        ({"user": ""}, 422),
        ({"user": "nobody"}, 404),
        ({"user": "nobody", "uses": 2}, 422),
        ({"more": 1}, 422),
        ([], 422),
    ],
)
async def test_an_invalid_invite_is_refused(harness: Harness, body: object, status: int) -> None:
    nari = await harness.person("nari")
    room = await nari.make_room("private")

    read(await nari.request("POST", f"/rooms/{room}/invites", body), status)

    assert (await nari.get(f"/rooms/{room}/invites"))["items"] == []


async def test_the_open_invites_of_a_room_are_limited(tmp_path: Path) -> None:
    async with (
        embedded_log(tmp_path) as log,
        running(tmp_path, log, room_most_invites=3) as harness,
    ):
        nari = await harness.person("nari")
        room = await nari.make_room()

        answers = await asyncio.gather(
            *(nari.request("POST", f"/rooms/{room}/invites", {}) for _ in range(6))
        )

        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 3


async def test_an_unknown_code_is_not_found(harness: Harness) -> None:
    nari = await harness.person("nari")

    read(await nari.accept("0" * 24), 404)
    read(await nari.accept("가" * 20), 404)
    read(await nari.accept("x" * 65), 422)
