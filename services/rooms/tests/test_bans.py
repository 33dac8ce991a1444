import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.rooms.tests.harness import (
    Harness,
    Json,
    Person,
    embedded_log,
    events_of,
    read,
    running,
)


async def ban(by: Person, room: str, who: Person, status: int = 201, **wanted: Any) -> Json:
    return read(await by.request("PUT", f"/rooms/{room}/bans/{who.id}", wanted), status)


async def lift(by: Person, room: str, who: Person, status: int = 204) -> Json:
    return read(await by.request("DELETE", f"/rooms/{room}/bans/{who.id}"), status)


async def test_banning_a_member_removes_them_and_publishes_both_events(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae", "대한")
    room = await nari.make_room("public")
    await nari.bring(room, dae)

    made = await ban(nari, room, dae, reason="spam")

    assert made == {
        "user": {"id": dae.id, "username": "dae", "display_name": "대한"},
        "reason": "spam",
        "expires_at": None,
        "banned_by": nari.id,
        "created_at": "2027-01-15T08:00:00.000Z",
    }
    to_room = await events_of(harness.log, f"rooms.{room}", "member.banned")
    to_dae = await events_of(harness.log, f"users.{dae.id}", "membership.removed")
    assert to_room[-1]["data"] == {
        "user": dae.id,
        "name": "대한",
        "by": nari.id,
        "removed": True,
        "until": None,
    }
    assert to_room[-1]["sender"] == nari.id
    assert "member.removed" not in {event["kind"] for event in to_room}
    assert to_dae[-1]["data"] == {"room": room, "by": nari.id}
    assert (await nari.get(f"/rooms/{room}"))["members"] == 1
    (access,) = await harness.access((dae.id, room))
    assert access["role"] is None


async def test_a_banned_user_cannot_join_in_any_way_until_the_ban_is_lifted(
    harness: Harness,
) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("public")
    link, own = await nari.invite(room), await nari.invite(room, user=dae.id)
    await ban(nari, room, dae)

    refused = [
        await dae.request("POST", f"/rooms/{room}/join"),
        await dae.accept(link),
        await nari.request("POST", f"/rooms/{room}/invites", {"user": dae.id}),
    ]

    for answer in refused:
        assert read(answer, 403)["type"] == "urn:madang:problem:banned"
    read(await dae.accept(own), 404)
    assert (await dae.get("/invites"))["items"] == []
    assert (await nari.get(f"/rooms/{room}/invites"))["items"][0]["uses_left"] == 100
    await lift(nari, room, dae)
    read(await dae.accept(link), 200)
    events = await events_of(harness.log, f"rooms.{room}", "member.unbanned")
    assert events[-1]["data"] == {"user": dae.id, "name": "dae", "by": nari.id}
    assert [event["data"]["removed"] for event in events if event["kind"] == "member.banned"] == [
        False
    ]


async def test_a_repeated_ban_replaces_its_terms_and_publishes_another_expiry(
    harness: Harness,
) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("public")
    await ban(nari, room, dae, reason="spam", expires_in_seconds=60)

    again = await ban(nari, room, dae, status=200, reason="more spam")
    await ban(nari, room, dae, status=200, reason="only the reason is new")
    await lift(nari, room, dae)
    await lift(nari, room, dae, status=404)
    read(await nari.request("GET", f"/rooms/{room}/bans/{dae.id}"), 404)

    assert (again["reason"], again["expires_at"]) == ("more spam", None)
    events = await events_of(harness.log, f"rooms.{room}", "member.unbanned")
    bans = [event["data"] for event in events if event["kind"] == "member.banned"]
    assert [(ban["removed"], ban["until"]) for ban in bans] == [
        (False, "2027-01-15T08:01:00.000Z"),
        (False, None),
    ]


async def test_a_ban_expires(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("public")
    made = await ban(nari, room, dae, expires_in_seconds=60)

    harness.clock.now += 59
    refused = read(await dae.request("POST", f"/rooms/{room}/join"), 403)
    harness.clock.now += 1
    read(await dae.request("POST", f"/rooms/{room}/join"), 200)

    assert refused["until"] == made["expires_at"] == "2027-01-15T08:01:00.000Z"
    assert (await nari.get(f"/rooms/{room}/bans"))["items"] == []
    await lift(nari, room, dae, status=404)
    await ban(nari, room, dae)
    read(await dae.request("POST", f"/rooms/{room}/join"), 403)


async def test_bans_come_in_pages(harness: Harness) -> None:
    people = [await harness.person(f"user{number}") for number in range(6)]
    room = await people[0].make_room("public")
    for person in people[1:]:
        await ban(people[0], room, person)

    first = await people[0].get(f"/rooms/{room}/bans?limit=3")
    second = await people[0].get(f"/rooms/{room}/bans?limit=3&cursor={first['next']}")

    banned = [item["user"]["id"] for item in first["items"] + second["items"]]
    assert (len(first["items"]), second["next"]) == (3, None)
    assert banned == [person.id for person in people[1:]]


async def test_a_concurrent_join_and_ban_leave_no_membership(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("public")

    for _ in range(5):
        joined, _banned = await asyncio.gather(
            dae.request("POST", f"/rooms/{room}/join"), ban(nari, room, dae)
        )

        assert joined.status_code in {200, 403}
        assert (await nari.get(f"/rooms/{room}"))["members"] == 1
        await lift(nari, room, dae)


async def test_concurrent_bans_of_one_user_make_one_ban(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room("public")
    await nari.bring(room, dae, "owner")
    await nari.bring(room, eun)

    answers = await asyncio.gather(
        *(by.request("PUT", f"/rooms/{room}/bans/{eun.id}") for by in (nari, dae) * 3)
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert (await nari.get(f"/rooms/{room}"))["members"] == 2


async def test_the_bans_of_a_room_are_limited(tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log, running(tmp_path, log, room_most_bans=2) as harness:
        people = [await harness.person(f"user{number}") for number in range(4)]
        room = await people[0].make_room("public")
        await ban(people[0], room, people[1], expires_in_seconds=60)
        await ban(people[0], room, people[2])

        refused = await ban(people[0], room, people[3], status=409)
        await ban(people[0], room, people[2], status=200, reason="still")
        harness.clock.now += 60
        await ban(people[0], room, people[3])

        assert (refused["type"], refused["limit"]) == ("urn:madang:problem:conflict", 2)


@pytest.mark.parametrize(
    "wanted",
    [
        {"reason": ""},
        {"reason": "가" * 257},
        {"reason": "two\nlines"},
        {"reason": 7},
        {"expires_in_seconds": 0},
        {"expires_in_seconds": 2**31},
        {"more": 1},
    ],
)
async def test_an_invalid_ban_is_refused(
    embedded_harness: Harness, wanted: dict[str, object]
) -> None:
    nari, dae = await embedded_harness.person("nari"), await embedded_harness.person("dae")
    room = await nari.make_room("public")

    problem = await ban(nari, room, dae, status=422, **wanted)

    assert problem["type"] == "urn:madang:problem:invalid-body"
    read(await dae.request("POST", f"/rooms/{room}/join"), 200)


async def test_a_direct_room_has_no_bans(embedded_harness: Harness) -> None:
    nari, dae = await embedded_harness.person("nari"), await embedded_harness.person("dae")
    room = read(await nari.request("POST", "/direct", {"user": dae.id}), 201)["id"]

    await ban(nari, room, dae, status=409)
    read(await nari.request("GET", f"/rooms/{room}/bans"), 409)
