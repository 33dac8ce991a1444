import asyncio
from pathlib import Path

from services.rooms.tests.harness import Harness, Person, embedded_log, events_of, read, running


async def codes_of(person: Person) -> list[str]:
    return [invite["code"] for invite in (await person.get("/invites"))["items"]]


async def test_a_declined_invite_is_not_listed_and_its_inviter_is_not_notified(
    harness: Harness,
) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    room = await nari.make_room()
    code, kept = await nari.invite(room, user=dae.id), await nari.invite(room, user=eun.id)
    before = await nari.get(f"/rooms/{room}/invites")

    for _ in range(2):
        read(await dae.request("POST", f"/invites/{code}/decline"), 204)
    read(await eun.request("POST", f"/invites/{code}/decline"), 403)
    read(await eun.request("POST", "/invites/nothing/decline"), 404)

    assert (await codes_of(dae), await codes_of(eun)) == ([], [kept])
    assert await nari.get(f"/rooms/{room}/invites") == before
    assert await nari.invite(room, user=dae.id) == code
    events = await events_of(harness.log, f"users.{dae.id}", "invite.declined")
    assert [(event["kind"], event["data"].get("code")) for event in events] == [
        ("invite.received", code),
        ("invite.declined", code),
    ]
    read(await dae.accept(code), 200)


async def test_a_link_cannot_be_declined(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    code = await nari.invite(await nari.make_room())

    read(await dae.request("POST", f"/invites/{code}/decline"), 409)


async def test_joining_in_another_way_uses_up_the_invite(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room()
    code = await nari.invite(room, user=dae.id)
    await nari.bring(room, dae)

    assert await codes_of(dae) == []
    read(await dae.accept(code), 200)


async def test_invites_from_one_user_to_another_are_limited_per_day(harness: Harness) -> None:
    nari, dae, eun = [await harness.person(name) for name in ("nari", "dae", "eun")]
    rooms = [await nari.make_room() for _ in range(12)]
    answers = await asyncio.gather(
        *(nari.request("POST", f"/rooms/{room}/invites", {"user": dae.id}) for room in rooms)
    )
    made = [answer.json() for answer in answers if answer.status_code == 201]
    untried = rooms[next(n for n, answer in enumerate(answers) if answer.status_code == 409)]

    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 7
    assert len(await codes_of(dae)) == 5
    # Revoked and declined invites still count against the limit.
    await nari.invite(untried, user=eun.id)
    room = rooms[next(n for n, answer in enumerate(answers) if answer.status_code == 201)]
    read(await nari.request("DELETE", f"/rooms/{room}/invites/{made[0]['code']}"), 204)
    read(await nari.request("DELETE", f"/rooms/{room}/invites/{made[0]['code']}"), 404)
    read(await dae.accept(made[0]["code"]), 404)
    read(await dae.request("POST", f"/invites/{made[1]['code']}/decline"), 204)
    read(await nari.request("POST", f"/rooms/{untried}/invites", {"user": dae.id}), 409)
    # Accepted ones do not.
    read(await dae.accept(made[2]["code"]), 200)
    code = await nari.invite(untried, user=dae.id)
    assert (await codes_of(dae))[0] == code


async def test_the_open_invites_of_an_inviter_are_limited(tmp_path: Path) -> None:
    async with (
        embedded_log(tmp_path) as log,
        running(tmp_path, log, user_most_invites=3) as harness,
    ):
        nari = await harness.person("nari")
        people = [await harness.person(f"user{number}") for number in range(6)]
        rooms = [await nari.make_room() for _ in range(2)]

        answers = await asyncio.gather(
            *(
                nari.request("POST", f"/rooms/{rooms[number % 2]}/invites", {"user": person.id})
                for number, person in enumerate(people)
            )
        )

        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 3
        read(await nari.request("POST", f"/rooms/{rooms[0]}/invites", {}), 201)


async def test_a_full_list_drops_the_oldest_invite_of_the_most_frequent_inviter(
    tmp_path: Path,
) -> None:
    changes = {"user_most_received_invites": 4, "user_most_invites_to_one": 10}
    async with embedded_log(tmp_path) as log, running(tmp_path, log, **changes) as harness:
        nari, spammer, friend = [await harness.person(name) for name in ("nari", "spam", "friend")]
        early = await friend.invite(await friend.make_room(), user=nari.id)
        spam = [await spammer.invite(await spammer.make_room(), user=nari.id) for _ in range(8)]
        late = await friend.invite(await friend.make_room(), user=nari.id)

        assert await codes_of(nari) == [late, *spam[:5:-1], early]


async def test_invites_of_a_disabled_user_are_not_listed(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    await nari.invite(await nari.make_room(), user=dae.id)

    read(await harness.internal("PUT", f"/users/{nari.id}/disabled", {"disabled": True}), 204)

    assert await codes_of(dae) == []
