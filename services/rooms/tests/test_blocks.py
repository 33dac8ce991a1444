import asyncio

import pytest

from services.rooms.tests.harness import Harness, Person, events_of, read


async def block(one: Person, other: Person, status: int = 201) -> dict[str, object]:
    return read(await one.request("PUT", f"/blocks/{other.id}"), status)


async def received(person: Person) -> list[str]:
    return [invite["code"] for invite in (await person.get("/invites"))["items"]]


async def listed_rooms(person: Person, query: str = "") -> list[str]:
    return [room["id"] for room in (await person.get(f"/rooms{query}"))["items"]]


async def test_a_block_is_added_listed_and_removed(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]

    made = await block(nari, dae)
    again = await block(nari, dae, status=200)
    await block(nari, eun)
    listed = (await nari.get("/blocks?limit=1"))["items"]

    assert made == again == await nari.get(f"/blocks/{dae.id}")
    assert made == {
        "user": {"id": dae.id, "username": "dae", "display_name": "dae"},
        "created_at": "2027-01-15T08:00:00.000Z",
    }
    assert listed == [made]
    for _ in range(2):
        read(await nari.request("DELETE", f"/blocks/{dae.id}"), 204)
    read(await nari.request("GET", f"/blocks/{dae.id}"), 404)
    assert [row["user"]["id"] for row in (await nari.get("/blocks"))["items"]] == [eun.id]
    assert (await dae.get("/blocks"))["items"] == []


async def test_blocking_oneself_or_an_unknown_user_is_refused(harness: Harness) -> None:
    nari = await harness.person("nari")

    read(await nari.request("PUT", f"/blocks/{nari.id}"), 422)
    read(await nari.request("PUT", "/blocks/nobody"), 404)


async def test_invites_of_a_blocked_user_are_created_and_not_shown(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    before, room = await dae.make_room(name="before"), await dae.make_room()
    await dae.invite(before, user=nari.id)
    await block(nari, dae)

    answer = await dae.request("POST", f"/rooms/{room}/invites", {"user": nari.id})
    to_another = await dae.request("POST", f"/rooms/{room}/invites", {"user": eun.id})

    made, other = read(answer, 201), read(to_another, 201)
    assert made.keys() == other.keys()
    assert (made["uses_left"], made["user"]["id"]) == (1, nari.id)
    assert await dae.invite(room, user=nari.id) == made["code"]
    open_ones = (await dae.get(f"/rooms/{room}/invites"))["items"]
    assert [invite["code"] for invite in open_ones] == [made["code"], other["code"]]
    assert await received(nari) == []
    friends = await eun.make_room()
    code = await eun.invite(friends, user=nari.id)
    assert await received(nari) == [code]
    events = await events_of(harness.log, f"users.{nari.id}", "invite.received", times=2)
    assert [event["data"]["room"] for event in events] == [before, friends]
    read(await nari.request("DELETE", f"/blocks/{dae.id}"), 204)
    assert len(await received(nari)) == 3


async def test_an_unseen_invite_does_not_hide_an_invite_by_another_user(
    harness: Harness,
) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = await dae.make_room()
    await dae.bring(room, eun, "moderator")
    unseen = await dae.invite(room, user=nari.id)
    await block(nari, dae)

    code = await eun.invite(room, user=nari.id)

    assert code != unseen
    assert await received(nari) == [code]


async def test_a_direct_room_is_hidden_only_from_the_blocking_user(
    harness: Harness,
) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    old = read(await nari.request("POST", "/direct", {"user": dae.id}), 201)["id"]
    for other in (dae, eun):
        await block(nari, other)

    new = read(await eun.request("POST", "/direct", {"user": nari.id}), 201)
    read(await dae.request("POST", "/direct", {"user": nari.id}), 200)

    assert (new["hidden"], new["members"], new["peer"]["id"]) == (False, 2, nari.id)
    assert await listed_rooms(nari) == []
    assert set(await listed_rooms(nari, "?hidden=true")) == {old, new["id"]}
    assert await listed_rooms(dae) == [old]
    events = await events_of(harness.log, f"users.{nari.id}", "room.hidden")
    assert [(event["kind"], event["data"].get("room")) for event in events] == [
        ("membership.added", old),
        ("room.hidden", old),
    ]
    opened = read(await nari.request("POST", "/direct", {"user": eun.id}), 200)
    assert (opened["id"], opened["hidden"]) == (new["id"], False)
    assert await listed_rooms(nari) == [new["id"]]


async def test_opening_a_hidden_direct_room_lists_it_again(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = read(await nari.request("POST", "/direct", {"user": dae.id}), 201)["id"]

    for _ in range(2):
        read(await nari.request("PUT", f"/rooms/{room}/hidden"), 204)
    hidden = await nari.get(f"/rooms/{room}")
    without, everything = await listed_rooms(nari), await listed_rooms(nari, "?hidden=true")
    read(await dae.request("POST", "/direct", {"user": nari.id}), 200)

    assert (hidden["hidden"], without, everything) == (True, [], [room])
    assert await listed_rooms(nari) == []
    assert await listed_rooms(dae) == [room]
    for _ in range(2):
        read(await nari.request("DELETE", f"/rooms/{room}/hidden"), 204)
    assert await listed_rooms(nari) == [room]
    events = await events_of(harness.log, f"users.{nari.id}", "room.hidden", times=2)
    assert [event["data"] for event in events if event["kind"] == "room.hidden"] == [
        {"room": room, "hidden": True},
        {"room": room, "hidden": False},
    ]


async def test_only_a_direct_room_of_the_user_can_be_hidden(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    shared = await nari.make_room()
    direct = read(await nari.request("POST", "/direct", {"user": dae.id}), 201)["id"]

    read(await nari.request("PUT", f"/rooms/{shared}/hidden"), 409)
    read(await eun.request("PUT", f"/rooms/{direct}/hidden"), 403)
    read(await eun.request("PUT", "/rooms/nowhere/hidden"), 404)


@pytest.mark.parametrize("_", range(3))
async def test_an_invite_concurrent_with_a_block_is_not_shown(harness: Harness, _: int) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    rooms = [await dae.make_room() for _ in range(4)]

    await asyncio.gather(
        *(dae.invite(room, user=nari.id) for room in rooms),
        block(nari, dae),
        dae.request("POST", "/direct", {"user": nari.id}),
    )

    assert await received(nari) == []
    assert await listed_rooms(nari) == []
