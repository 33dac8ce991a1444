import asyncio
import sqlite3
from pathlib import Path

from services.rooms.tests.scene import Person, Scene, embedded_log, events_of, read, running


async def disable(scene: Scene, user: Person, *, disabled: bool = True) -> None:
    answer = await scene.internal("PUT", f"/users/{user.id}/disabled", {"disabled": disabled})
    read(answer, 204)


async def roles(scene: Scene, room: str, *people: Person) -> list[str]:
    found = await scene.access(*((person.id, room) for person in people))
    return [answer["role"] for answer in found]


async def test_a_room_passes_to_its_longest_standing_moderator(scene: Scene) -> None:
    nari, dae, eun, bora = [await scene.person(name) for name in ("nari", "dae", "eun", "bora")]
    room = await nari.make_room()
    for person, role in ((dae, "member"), (eun, "moderator"), (bora, "moderator")):
        await nari.bring(room, person, role)
        scene.clock.now += 1

    await disable(scene, nari)

    assert await roles(scene, room, nari, dae, eun, bora) == [
        "owner",
        "member",
        "owner",
        "moderator",
    ]
    told = (await events_of(scene.log, f"rooms.{room}", "member.role_changed", times=3))[-1]
    assert (told["sender"], told["sender_name"]) == ("service:rooms", "Madang")
    assert told["data"] == {"user": eun.id, "name": "eun", "role": "owner", "by": "service:rooms"}
    read(await eun.ask("PATCH", f"/rooms/{room}", {"name": "ours"}), 200)


async def test_without_a_moderator_it_passes_to_the_longest_standing_member(scene: Scene) -> None:
    nari, dae, eun = [await scene.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room()
    await nari.bring(room, eun)
    scene.clock.now += 1
    await nari.bring(room, dae)

    await disable(scene, nari)
    await disable(scene, nari)

    assert await roles(scene, room, dae, eun) == ["member", "owner"]


async def test_a_room_with_another_owner_stays_as_it_is(scene: Scene) -> None:
    nari, dae, eun = [await scene.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room()
    await nari.bring(room, dae, "owner")
    await nari.bring(room, eun)

    await disable(scene, nari)

    assert await roles(scene, room, dae, eun) == ["owner", "member"]
    read(await dae.ask("POST", f"/rooms/{room}/leave"), 409)


async def test_who_comes_back_or_enters_owns_the_room_that_nobody_could(scene: Scene) -> None:
    nari, dae, eun = [await scene.person(name) for name in ("nari", "dae", "eun")]
    mine, theirs = await nari.make_room("public"), await nari.make_room("public")
    await nari.bring(mine, dae)
    await disable(scene, dae)
    await disable(scene, nari)
    assert await roles(scene, mine, nari, dae) == ["owner", "member"]

    await disable(scene, dae, disabled=False)
    entered = read(await eun.ask("POST", f"/rooms/{theirs}/join"), 200)

    assert await roles(scene, mine, nari, dae) == ["owner", "owner"]
    assert entered["role"] == "owner"


async def test_the_last_who_is_not_disabled_may_leave(scene: Scene) -> None:
    nari, dae = await scene.person("nari"), await scene.person("dae")
    room = await nari.make_room()
    await nari.bring(room, dae)
    await disable(scene, dae)

    read(await nari.ask("POST", f"/rooms/{room}/leave"), 204)
    await disable(scene, dae, disabled=False)

    assert await roles(scene, room, dae) == ["owner"]


async def test_many_rooms_and_both_members_at_once(scene: Scene) -> None:
    nari, dae, eun = [await scene.person(name) for name in ("nari", "dae", "eun")]
    rooms = [await nari.make_room() for _ in range(60)]
    for room in rooms[:55]:
        await nari.bring(room, dae)
        await nari.bring(room, eun)

    await asyncio.gather(disable(scene, nari), disable(scene, dae))

    # What takes longer than a moment goes on behind the answer.
    async with asyncio.timeout(30):
        while True:
            found = await scene.access(*((eun.id, room) for room in rooms[:55]))
            if {answer["role"] for answer in found} == {"owner"}:
                return


async def test_rooms_of_those_who_were_disabled_before_are_passed_on_at_the_start(
    tmp_path: Path,
) -> None:
    async with embedded_log(tmp_path) as log:
        async with running(tmp_path, log) as scene:
            nari, dae = await scene.person("nari"), await scene.person("dae")
            room = await nari.make_room()
            await nari.bring(room, dae)
        with sqlite3.connect(tmp_path / "rooms" / "rooms.db") as db:
            db.execute("UPDATE users SET disabled = 1 WHERE username = 'nari'")
        db.close()

        async with running(tmp_path, log) as scene:
            told = await events_of(log, f"rooms.{room}", "member.role_changed")
            assert await roles(scene, room, dae) == ["owner"]
    assert told[-1]["data"]["user"] == dae.id
