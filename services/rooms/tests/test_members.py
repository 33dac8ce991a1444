import asyncio
from pathlib import Path

from services.rooms.tests.harness import Harness, embedded_log, events_of, read, running


async def test_joining_a_public_room_is_idempotent(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae", "대한")
    room = await nari.make_room("public")

    joined = read(await dae.request("POST", f"/rooms/{room}/join"), 200)
    again = read(await dae.request("POST", f"/rooms/{room}/join"), 200)

    assert joined == again
    assert (joined["role"], joined["members"]) == ("member", 2)
    events = await events_of(harness.log, f"rooms.{room}", "member.joined", times=2)
    assert events[-1]["data"] == {"user": dae.id, "name": "대한", "role": "member", "by": dae.id}
    assert events[-1]["sender"] == dae.id
    to_dae = await events_of(harness.log, f"users.{dae.id}", "membership.added")
    assert to_dae[-1]["data"] == {"room": room, "room_name": "마당", "role": "member"}


async def test_a_change_of_membership_shows_in_the_next_access_check(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("public")

    await dae.request("POST", f"/rooms/{room}/join")
    (inside,) = await harness.access((dae.id, room))
    await nari.request("DELETE", f"/rooms/{room}/members/{dae.id}")
    (outside,) = await harness.access((dae.id, room))

    assert (inside["role"], outside["role"]) == ("member", None)


async def test_members_come_in_pages(harness: Harness) -> None:
    people = [await harness.person(f"user{number}", f"사람 {number}") for number in range(5)]
    room = await people[0].make_room("public")
    for person in people[1:]:
        read(await person.request("POST", f"/rooms/{room}/join"), 200)

    first = await people[1].get(f"/rooms/{room}/members?limit=3")
    second = await people[1].get(f"/rooms/{room}/members?limit=3&cursor={first['next']}")

    members = first["items"] + second["items"]
    assert (len(first["items"]), second["next"]) == (3, None)
    assert [member["user"]["id"] for member in members] == [person.id for person in people]
    assert members[1] == {
        "user": {"id": people[1].id, "username": "user1", "display_name": "사람 1"},
        "role": "member",
        "joined_at": "2027-01-15T08:00:00.000Z",
    }


async def test_leaving_publishes_events_to_the_room_and_the_user(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("public")
    await nari.bring(room, dae)

    read(await dae.request("POST", f"/rooms/{room}/leave"), 204)

    to_room = await events_of(harness.log, f"rooms.{room}", "member.left")
    to_dae = await events_of(harness.log, f"users.{dae.id}", "membership.removed")
    assert to_room[-1]["data"] == {"user": dae.id, "name": "dae"}
    assert to_dae[-1]["data"] == {"room": room, "by": dae.id}
    assert (await nari.get(f"/rooms/{room}"))["members"] == 1


async def test_removing_publishes_events_to_the_room_and_the_user(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")
    await nari.bring(room, dae)

    read(await nari.request("DELETE", f"/rooms/{room}/members/{dae.id}"), 204)

    to_room = await events_of(harness.log, f"rooms.{room}", "member.removed")
    to_dae = await events_of(harness.log, f"users.{dae.id}", "membership.removed")
    assert to_room[-1]["data"] == {"user": dae.id, "name": "dae", "by": nari.id}
    assert to_room[-1]["sender"] == nari.id
    assert to_dae[-1]["data"] == {"room": room, "by": nari.id}
    read(await dae.request("GET", f"/rooms/{room}"), 403)
    assert (await dae.get("/rooms"))["items"] == []


async def test_the_only_owner_cannot_leave_before_making_another_owner(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")
    await nari.bring(room, dae)

    refused = read(await nari.request("POST", f"/rooms/{room}/leave"), 409)
    stays = read(
        await nari.request("PATCH", f"/rooms/{room}/members/{nari.id}", {"role": "member"}), 409
    )
    read(await nari.request("PATCH", f"/rooms/{room}/members/{dae.id}", {"role": "owner"}), 200)
    read(await nari.request("POST", f"/rooms/{room}/leave"), 204)

    assert refused["type"] == stays["type"] == "urn:madang:problem:conflict"
    assert (await dae.get(f"/rooms/{room}"))["role"] == "owner"


async def test_the_room_that_the_last_member_leaves_is_archived(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("public")
    code = await nari.invite(room)

    read(await nari.request("POST", f"/rooms/{room}/leave"), 204)

    events = await events_of(harness.log, f"rooms.{room}", "room.archived")
    assert [event["kind"] for event in events[-2:]] == ["member.left", "room.archived"]
    read(await dae.request("POST", f"/rooms/{room}/join"), 409)
    read(await dae.accept(code), 409)


async def test_a_change_of_role_publishes_one_event(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")
    await nari.bring(room, dae)
    path = f"/rooms/{room}/members/{dae.id}"

    changed = read(await nari.request("PATCH", path, {"role": "moderator"}), 200)
    again = read(await nari.request("PATCH", path, {"role": "moderator"}), 200)
    read(await dae.request("PATCH", path, {"role": "member"}), 200)

    assert changed == again
    assert changed["user"]["id"] == dae.id
    assert changed["role"] == "moderator"
    events = await events_of(harness.log, f"rooms.{room}", "member.role_changed", times=2)
    assert [event["data"] for event in events if event["kind"] == "member.role_changed"] == [
        {"user": dae.id, "name": "dae", "role": "moderator", "by": nari.id},
        {"user": dae.id, "name": "dae", "role": "member", "by": dae.id},
    ]


async def test_an_unknown_role_is_refused(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("private")
    await nari.bring(room, dae)

    for body in ({}, {"role": "king"}, {"role": None}, {"role": "owner", "more": 1}):
        answer = await nari.request("PATCH", f"/rooms/{room}/members/{dae.id}", body)
        assert read(answer, 422)["type"] == "urn:madang:problem:invalid-body"

    assert (await dae.get(f"/rooms/{room}"))["role"] == "member"


async def test_the_members_of_a_room_are_limited(tmp_path: Path) -> None:
    async with (
        embedded_log(tmp_path) as log,
        running(tmp_path, log, room_most_members=3) as harness,
    ):
        people = [await harness.person(f"user{number}") for number in range(8)]
        room = await people[0].make_room("public")

        answers = await asyncio.gather(
            *(person.request("POST", f"/rooms/{room}/join") for person in people[1:])
        )

        assert sorted(answer.status_code for answer in answers) == [200] * 2 + [409] * 5
        seen = await people[0].get(f"/rooms/{room}")
        members = await people[0].get(f"/rooms/{room}/members")
        assert (seen["members"], len(members["items"])) == (3, 3)


async def test_a_concurrent_leave_and_removal_end_the_membership_once(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("public")

    for round_ in range(1, 6):
        await dae.request("POST", f"/rooms/{room}/join")
        left, removed = await asyncio.gather(
            dae.request("POST", f"/rooms/{room}/leave"),
            nari.request("DELETE", f"/rooms/{room}/members/{dae.id}"),
        )

        assert (left.status_code, removed.status_code) in {(204, 404), (403, 204)}
        gone = await events_of(harness.log, f"users.{dae.id}", "membership.removed", times=round_)
        assert sum(event["kind"] == "membership.removed" for event in gone) == round_
        assert (await nari.get(f"/rooms/{room}"))["members"] == 1


async def test_two_owners_cannot_leave_concurrently(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    eun = await harness.person("eun")
    room = await nari.make_room("private")
    await nari.bring(room, dae, "owner")
    await nari.bring(room, eun)

    answers = await asyncio.gather(
        nari.request("POST", f"/rooms/{room}/leave"), dae.request("POST", f"/rooms/{room}/leave")
    )

    assert sorted(answer.status_code for answer in answers) == [204, 409]
    members = (await eun.get(f"/rooms/{room}/members"))["items"]
    assert sorted(member["role"] for member in members) == ["member", "owner"]


async def test_the_log_has_joins_and_leaves_in_commit_order(
    harness: Harness,
) -> None:
    nari = await harness.person("nari")
    people = [await harness.person(f"user{number}") for number in range(6)]
    room = await nari.make_room("public")

    async def come_and_go(name: int) -> None:
        for _ in range(3):
            read(await people[name].request("POST", f"/rooms/{room}/join"), 200)
            read(await people[name].request("POST", f"/rooms/{room}/leave"), 204)

    await asyncio.gather(*(come_and_go(number) for number in range(6)))

    events = await events_of(harness.log, f"rooms.{room}", "member.left", times=18)
    inside: set[str] = set()
    for event in events[2:]:
        user = event["data"]["user"]
        assert (user in inside) == (event["kind"] == "member.left")
        inside ^= {user}
    assert not inside
