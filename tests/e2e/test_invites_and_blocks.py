"""Protection from others: floods of invites, invite links from before a removal."""

import httpx
import pytest

from madang_client import Account, Forbidden
from tests.e2e.people import PASSWORD, Person, register, shared_room
from tests.e2e.product import Product

ROOMS = "/api/rooms/v1"


def make_room(owner: Person, name: str, visibility: str = "private") -> str:
    body = {"name": name, "visibility": visibility}
    return str(owner.call("POST", f"{ROOMS}/rooms", status=201, json=body)["id"])


def invite(owner: Person, room: str, user: Person, status: int = 201) -> str:
    path = f"{ROOMS}/rooms/{room}/invites"
    return str(owner.call("POST", path, status=status, json={"user": user.id}).get("code"))


def codes(person: Person) -> list[str]:
    """Return the first page of a user's invites."""
    page = person.call("GET", f"{ROOMS}/invites", status=200)
    return [item["code"] for item in page["items"]]


def roles(person: Person, room: str) -> dict[str, str]:
    page = person.call("GET", f"{ROOMS}/rooms/{room}/members", status=200)
    return {item["user"]["id"]: item["role"] for item in page["items"]}


def test_a_flood_of_invites_is_bounded_and_hides_nobody_elses(
    client: httpx.Client, minji: Person, junho: Person
) -> None:
    spammer = register(client, "spam")
    friend = invite(junho, make_room(junho, "yard"), minji)
    rooms = [make_room(spammer, f"BUY NOW {number}") for number in range(103)]
    path = f"{ROOMS}/rooms/{{}}/invites"
    headers = {"Authorization": f"Bearer {spammer.token}"}
    answers = [
        client.post(path.format(room), headers=headers, json={"user": minji.id}) for room in rooms
    ]

    assert [answer.status_code for answer in answers] == [201] * 5 + [409] * 98
    listed = codes(minji)
    assert len(listed) == 6
    assert friend in listed
    for code in listed:
        if code != friend:
            minji.call("POST", f"{ROOMS}/invites/{code}/decline", status=204)
            minji.call("POST", f"{ROOMS}/invites/{code}/decline", status=204)
    assert codes(minji) == [friend]
    # To decline gives the one who floods no new allowance, nor does taking it back.
    taken_back = answers[0].json()["code"]
    spammer.call("DELETE", f"{path.format(rooms[0])}/{taken_back}", status=204)
    invite(spammer, rooms[-1], minji, status=409)
    assert codes(minji) == [friend]


async def test_who_is_blocked_is_neither_seen_nor_told(
    product: Product, minji: Person, junho: Person
) -> None:
    async with Account(product.url) as account:
        hers = await account.login(minji.username, PASSWORD)
        his = await account.login(junho.username, PASSWORD)
        before = await his.direct(minji.id)
        await hers.block(junho.id)

        room = await his.create_room("yard")
        made = await his.invite(room.id, minji.id)
        again = await his.direct(minji.id)

        assert made.uses_left == 1
        assert again == before
        assert [invite async for invite in hers.invites()] == []
        assert [found async for found in hers.rooms()] == []
        assert [block.user.id async for block in hers.blocks()] == [junho.id]
        await hers.unblock(junho.id)
        assert [invite.code async for invite in hers.invites()] == [made.code]
        assert (await hers.direct(junho.id)).id == before.id
        assert [found.id async for found in hers.rooms()] == [before.id]
        await hers.hide(before.id)
        assert [found async for found in hers.rooms()] == []
        assert [found.hidden async for found in hers.rooms(hidden=True)] == [True]
        assert [found.id async for found in his.rooms()] == [room.id, before.id]


async def test_a_removed_member_does_not_come_back_by_the_old_link(
    product: Product, minji: Person, junho: Person, client: httpx.Client
) -> None:
    dae = register(client, "dae")
    async with Account(product.url) as account:
        hers, his, other = [
            await account.login(person.username, PASSWORD) for person in (minji, junho, dae)
        ]
        room = await hers.create_room("yard")
        old = await hers.invite(room.id)
        await his.accept(old.code)
        await hers.remove(room.id, junho.id)

        with pytest.raises(Forbidden, match="You were removed from this room after this link"):
            await his.accept(old.code)

        assert (await other.accept(old.code)).id == room.id
        assert (await his.accept((await hers.invite(room.id)).code)).id == room.id
        await hers.remove(room.id, junho.id)
        assert (await his.accept((await hers.invite(room.id, junho.id)).code)).role == "member"


def test_a_room_whose_only_owner_is_disabled_has_another_one(
    product: Product, client: httpx.Client, minji: Person, junho: Person
) -> None:
    dae = register(client, "dae")
    room = shared_room(minji, junho, dae)

    product.operate("users", "disable", minji.username)
    assert roles(dae, room) == {minji.id: "owner", junho.id: "owner", dae.id: "member"}
    product.operate("users", "disable", junho.username)

    assert roles(dae, room)[dae.id] == "owner"
    dae.call("PATCH", f"{ROOMS}/rooms/{room}", status=200, json={"name": "ours"})
    product.operate("users", "enable", minji.username)
