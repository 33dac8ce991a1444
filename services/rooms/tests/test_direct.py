import asyncio

from services.rooms.tests.harness import Harness, events_of, read


async def test_a_direct_room_is_named_after_the_other_member(harness: Harness) -> None:
    nari, dae = await harness.person("nari", "나리"), await harness.person("dae", "대한 🐯")

    made = read(await nari.request("POST", "/direct", {"user": dae.id}), 201)
    found = read(await dae.request("POST", "/direct", {"user": nari.id}), 200)

    assert made["id"] == found["id"]
    assert (made["name"], found["name"]) == ("대한 🐯", "나리")
    assert (made["visibility"], made["role"], made["members"]) == ("direct", "member", 2)
    assert made["peer"] == {"id": dae.id, "username": "dae", "display_name": "대한 🐯"}
    assert (await nari.get("/rooms"))["items"] == [made]
    assert await dae.get(f"/rooms/{made['id']}") == found


async def test_a_new_direct_room_is_announced_to_both(harness: Harness) -> None:
    nari, dae = await harness.person("nari", "나" * 64), await harness.person("dae", "대" * 64)

    room = read(await nari.request("POST", "/direct", {"user": dae.id}), 201)["id"]

    to_room = await events_of(harness.log, f"rooms.{room}", "member.joined", times=2)
    assert to_room[0]["data"]["visibility"] == "direct"
    assert [event["data"]["user"] for event in to_room[1:]] == [nari.id, dae.id]
    for me, other in ((nari, dae), (dae, nari)):
        events = await events_of(harness.log, f"users.{me.id}", "membership.added")
        assert events[-1]["data"]["room_name"] == other.display_name


async def test_two_users_share_one_direct_room(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")

    answers = await asyncio.gather(
        *(
            me.request("POST", "/direct", {"user": other.id})
            for me, other in [(nari, dae), (dae, nari)] * 5
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await nari.get("/rooms"))["items"]) == 1


async def test_a_direct_room_cannot_be_changed(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = read(await nari.request("POST", "/direct", {"user": dae.id}), 201)["id"]

    for method, path, body in [
        ("PATCH", "", {"name": "x"}),
        ("POST", "/archive", None),
        ("POST", "/leave", None),
        ("GET", "/invites", None),
        ("POST", "/invites", {}),
        ("POST", "/invites", {"user": eun.id}),
        ("DELETE", f"/members/{dae.id}", None),
        ("PATCH", f"/members/{dae.id}", {"role": "owner"}),
        ("PATCH", f"/members/{nari.id}", {"role": "owner"}),
    ]:
        read(await nari.request(method, f"/rooms/{room}{path}", body), 409)

    read(await eun.request("POST", f"/rooms/{room}/join"), 403)
    assert (await eun.get("/rooms/public"))["items"] == []


async def test_a_direct_room_with_oneself_or_an_unknown_user_is_refused(harness: Harness) -> None:
    nari = await harness.person("nari")

    read(await nari.request("POST", "/direct", {"user": nari.id}), 422)
    read(await nari.request("POST", "/direct", {"user": "nobody"}), 404)
    read(await nari.request("POST", "/direct", {"user": ""}), 422)

    assert (await nari.get("/rooms"))["items"] == []
