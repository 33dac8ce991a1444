"""Disabling a user and removing a member, in each form of the product."""

import time

import httpx
import pytest

from madang_client import Account, Banned
from stack.command import CommandError
from tests.e2e.people import PASSWORD, Person, shared_room
from tests.e2e.product import Product
from tests.e2e.stomp_socket import StompSocket

_SECONDS = 2.0


def test_whoever_is_disabled_is_out_within_seconds_and_may_come_back(
    product: Product, client: httpx.Client, junho: Person
) -> None:
    account = {"username": junho.username, "password": PASSWORD}
    with StompSocket.open(product.ws_url, junho.token) as his:
        told = product.operate("users", "disable", junho.username)
        done_at = time.monotonic()
        assert his.close_code() == 4410
        assert time.monotonic() - done_at <= _SECONDS

    assert told == f"{junho.username} is disabled; sessions ended: 1\n"
    refused = client.post("/api/auth/v1/login", json=account)
    assert (refused.status_code, refused.json()["title"]) == (403, "This account is disabled")
    told = product.operate("users", "enable", junho.username)
    assert told == f"{junho.username} may log in again\n"
    assert client.post("/api/auth/v1/login", json=account).status_code == 200
    refresh = client.post("/api/auth/v1/refresh", json={"refresh_token": junho.refresh_token})
    assert refresh.status_code == 401


def test_a_name_that_nobody_has_is_told_to_the_operator(product: Product) -> None:
    with pytest.raises(CommandError, match="there is no user 'nobody-at-all'"):
        product.operate("users", "disable", "nobody-at-all")


def test_who_is_banned_receives_the_ban_and_nothing_after_it(
    product: Product, minji: Person, junho: Person
) -> None:
    room = shared_room(minji, junho)
    ban = f"/api/rooms/v1/rooms/{room}/bans/{junho.id}"
    with (
        StompSocket.open(product.ws_url, minji.token) as hers,
        StompSocket.open(product.ws_url, junho.token) as his,
    ):
        hers.subscribe(room)
        his.subscribe(room)

        minji.call("PUT", ban, status=201, json={"reason": "spam"})
        hers.say(room, "now we are alone")

        received = [his.next().json]
        while received[-1]["kind"] != "member.banned":
            received.append(his.next().json)
        assert "message.created" not in {event["kind"] for event in received}
        assert his.barrier() == []
        assert his.subscribe(room).command == "ERROR"


async def test_who_is_banned_cannot_come_back_until_the_ban_is_lifted(
    product: Product, minji: Person, junho: Person
) -> None:
    async with Account(product.url) as account:
        hers = await account.login(minji.username, PASSWORD)
        his = await account.login(junho.username, PASSWORD)
        room = (await hers.create_room("yard", public=True)).id
        await his.join(room)

        made = await hers.ban(room, junho.id, reason="spam", seconds=3600)

        with pytest.raises(Banned):
            await his.join(room)
        assert [ban async for ban in hers.bans(room)] == [made]
        assert (made.user.id, made.reason) == (junho.id, "spam")
        await hers.unban(room, junho.id)
        assert (await his.join(room)).role == "member"
