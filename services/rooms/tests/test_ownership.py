import asyncio
import sqlite3
from pathlib import Path

from services.rooms.tests.harness import (
    Harness,
    Person,
    embedded_log,
    events_of,
    read,
    running,
    until,
)


async def disable(harness: Harness, user: Person, *, disabled: bool = True) -> None:
    answer = await harness.internal("PUT", f"/users/{user.id}/disabled", {"disabled": disabled})
    read(answer, 204)


async def roles(harness: Harness, room: str, *people: Person) -> list[str]:
    found = await harness.access(*((person.id, room) for person in people))
    return [answer["role"] for answer in found]


async def test_a_room_passes_to_its_longest_standing_moderator(harness: Harness) -> None:
    nari, dae, eun, bora = [await harness.person(name) for name in ("nari", "dae", "eun", "bora")]
    room = await nari.make_room()
    for person, role in ((dae, "member"), (eun, "moderator"), (bora, "moderator")):
        await nari.bring(room, person, role)
        harness.clock.now += 1

    await disable(harness, nari)

    assert await roles(harness, room, nari, dae, eun, bora) == [
        "owner",
        "member",
        "owner",
        "moderator",
    ]
    event = (await events_of(harness.log, f"rooms.{room}", "member.role_changed", times=3))[-1]
    assert (event["sender"], event["sender_name"]) == ("service:rooms", "Madang")
    assert event["data"] == {"user": eun.id, "name": "eun", "role": "owner", "by": "service:rooms"}
    read(await eun.request("PATCH", f"/rooms/{room}", {"name": "ours"}), 200)


async def test_without_a_moderator_it_passes_to_the_longest_standing_member(
    harness: Harness,
) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room()
    await nari.bring(room, eun)
    harness.clock.now += 1
    await nari.bring(room, dae)

    await disable(harness, nari)
    await disable(harness, nari)

    assert await roles(harness, room, dae, eun) == ["member", "owner"]


async def test_a_room_with_another_enabled_owner_is_unchanged(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room()
    await nari.bring(room, dae, "owner")
    await nari.bring(room, eun)

    await disable(harness, nari)

    assert await roles(harness, room, dae, eun) == ["owner", "member"]
    read(await dae.request("POST", f"/rooms/{room}/leave"), 409)


async def test_a_user_who_is_enabled_or_joins_becomes_owner_of_a_room_without_one(
    harness: Harness,
) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    mine, theirs = await nari.make_room("public"), await nari.make_room("public")
    await nari.bring(mine, dae)
    await disable(harness, dae)
    await disable(harness, nari)
    assert await roles(harness, mine, nari, dae) == ["owner", "member"]

    await disable(harness, dae, disabled=False)
    entered = read(await eun.request("POST", f"/rooms/{theirs}/join"), 200)

    assert await roles(harness, mine, nari, dae) == ["owner", "owner"]
    assert entered["role"] == "owner"


async def test_the_last_enabled_member_may_leave(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room()
    await nari.bring(room, dae)
    await disable(harness, dae)

    read(await nari.request("POST", f"/rooms/{room}/leave"), 204)
    await disable(harness, dae, disabled=False)

    assert await roles(harness, room, dae) == ["owner"]


async def test_disabling_both_members_of_many_rooms_concurrently(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    rooms = [await nari.make_room() for _ in range(60)]
    for room in rooms[:55]:
        await nari.bring(room, dae)
        await nari.bring(room, eun)

    await asyncio.gather(disable(harness, nari), disable(harness, dae))

    async def owns_all() -> bool:
        found = await harness.access(*((eun.id, room) for room in rooms[:55]))
        return {answer["role"] for answer in found} == {"owner"}

    # After a second, the rest is left to the background task.
    async with asyncio.timeout(60):
        await until(owns_all)


async def test_rooms_of_users_disabled_earlier_get_an_owner_at_the_start(
    tmp_path: Path,
) -> None:
    async with embedded_log(tmp_path) as log:
        async with running(tmp_path, log) as harness:
            nari, dae = await harness.person("nari"), await harness.person("dae")
            room = await nari.make_room()
            await nari.bring(room, dae)
        with sqlite3.connect(tmp_path / "rooms" / "rooms.db") as db:
            db.execute("UPDATE users SET disabled = 1 WHERE username = 'nari'")
        db.close()

        async with running(tmp_path, log) as harness:
            events = await events_of(log, f"rooms.{room}", "member.role_changed")
            assert await roles(harness, room, dae) == ["owner"]
    assert events[-1]["data"]["user"] == dae.id
