from services.rooms.tests.harness import Harness, Person, read

DAY = 86_400


async def remove(moderator: Person, room: str, user: Person) -> None:
    read(await moderator.request("DELETE", f"/rooms/{room}/members/{user.id}"), 204)


async def test_only_the_removed_member_cannot_use_older_links(
    harness: Harness,
) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room()
    link, other = await nari.invite(room), await nari.invite(room)
    own = await nari.invite(room, user=dae.id)
    read(await dae.accept(link), 200)
    await remove(nari, room, dae)

    refused = [read(await dae.accept(code), 403) for code in (link, other)]

    assert {problem["detail"] for problem in refused} == {
        "You were removed from this room after this link was created; ask for a new invite."
    }
    read(await dae.accept(own), 410)
    read(await eun.accept(link), 200)
    harness.clock.now += 1
    read(await dae.accept(await nari.invite(room)), 200)


async def test_a_removed_member_can_be_invited(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room()
    await nari.bring(room, dae)
    await remove(nari, room, dae)

    read(await dae.accept(await nari.invite(room, user=dae.id)), 200)


async def test_a_ban_revokes_the_invite_for_the_user(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room()
    await nari.bring(room, eun)
    code = await nari.invite(room, user=dae.id)
    read(await nari.request("PUT", f"/rooms/{room}/bans/{dae.id}"), 201)

    read(await dae.accept(code), 404)
    read(await dae.request("POST", f"/invites/{code}/decline"), 404)
    assert (await nari.get(f"/rooms/{room}/invites"))["items"][0]["user"] is None


async def test_an_expired_ban_leaves_older_links_closed(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room()
    link = await nari.invite(room)
    read(await dae.accept(link), 200)
    ban = {"expires_in_seconds": 60}
    read(await nari.request("PUT", f"/rooms/{room}/bans/{dae.id}", ban), 201)

    harness.clock.now += 61

    assert "removed" in read(await dae.accept(link), 403)["detail"]
    read(await dae.accept(await nari.invite(room)), 200)


async def test_a_user_who_left_rejoins_by_the_same_link(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room()
    link = await nari.invite(room)
    read(await dae.accept(link), 200)
    read(await dae.request("POST", f"/rooms/{room}/leave"), 204)

    read(await dae.accept(link), 200)
