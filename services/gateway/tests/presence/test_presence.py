"""Presence over REST, and as live events of a room."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from madang_common.events.kinds import LIVE, document
from services.gateway.tests.harness import PATIENCE_SECONDS, Harness, removal, running, until
from tests.support.issuer import bearer

PATH = "/api/gateway/v1/rooms/{}/presence"
TOPIC = "/topic/rooms.yard"
LIVE_TOPIC = f"{TOPIC}.live"
GRACE_SECONDS = 0.2


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with running(
        tmp_path, presence_notice_members=100, presence_grace_seconds=GRACE_SECONDS
    ) as harness:
        yield harness


async def get_presence(
    harness: Harness, user: str = "mina", room: str = "yard", **query: Any
) -> httpx.Response:
    headers = bearer(harness.issuer.token(user))
    return await harness.http.get(PATH.format(room), headers=headers, params=query)


async def shows(harness: Harness, *users: str) -> dict[str, Any]:
    """Wait until exactly `users` are present, and return that response."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer: dict[str, Any] = (await get_presence(harness)).json()
            if [item["user"] for item in answer["items"]] == sorted(users):
                return answer
            await asyncio.sleep(0.005)


async def test_a_user_is_present_until_the_last_subscription_ends(
    harness: Harness,
) -> None:
    await shows(harness)
    async with harness.connected("jun") as jun:
        async with harness.connected("jun") as other:
            await jun.subscribe(TOPIC)
            await jun.subscribe(LIVE_TOPIC, subscription="n")
            await other.subscribe(LIVE_TOPIC)
            answer = await shows(harness, "jun")
            assert answer["items"] == [{"user": "jun", "name": "jun"}]
            assert (answer["count"], answer["next"]) == (1, None)
        await jun.say("UNSUBSCRIBE", {"id": "s"})
        await asyncio.sleep(2 * GRACE_SECONDS)
        await shows(harness, "jun")
        await jun.say("UNSUBSCRIBE", {"id": "n"})
        await shows(harness)


async def test_a_tutorial_client_is_present(harness: Harness) -> None:
    async with harness.connected("jun") as jun:
        await jun.subscribe("/sub/chat/room/yard")

        await shows(harness, "jun")


async def test_subscriptions_to_the_users_own_queues_are_no_presence(harness: Harness) -> None:
    async with harness.connected("jun") as jun, harness.connected("mina") as mina:
        await jun.subscribe("/user/queue/events")
        await jun.subscribe("/user/queue/errors", subscription="e")
        await mina.subscribe(TOPIC)

        await shows(harness, "mina")


async def test_joins_and_leaves_are_announced_in_the_room(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(LIVE_TOPIC)
        own = (await mina.message()).json
        async with harness.connected("jun") as jun, harness.connected("jun") as other:
            await jun.subscribe(TOPIC)
            came = (await mina.message()).json
            await other.subscribe(TOPIC)
        went = (await mina.message()).json

        assert (own["kind"], own["data"]["user"]) == ("presence.joined", "mina")
        assert (came["kind"], went["kind"]) == ("presence.joined", "presence.left")
        for event in (came, went):
            data = LIVE[event["kind"]].model_validate(event["data"])
            assert document(data) == {"user": "jun", "name": "jun"}
            assert (event["room"], event["sender"]) == ("yard", "jun")
        assert came["at"] < went["at"] <= (await shows(harness, "mina"))["at"]


async def test_a_reconnect_within_the_grace_period_is_not_announced(tmp_path: Path) -> None:
    async with (
        running(tmp_path, presence_notice_members=100, presence_grace_seconds=2) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(LIVE_TOPIC)
        for _ in range(3):
            async with harness.connected("jun") as jun:
                await jun.subscribe(TOPIC)
                await shows(harness, "jun", "mina")
        await shows(harness, "mina")
        await mina.send("", destination="/app/rooms.yard.typing")

        received = [(await mina.message()).json for _ in range(4)]
        assert [(event["kind"], event["sender"]) for event in received] == [
            ("presence.joined", "mina"),
            ("presence.joined", "jun"),
            ("presence.left", "jun"),
            ("room.typing", "mina"),
        ]


async def test_a_removed_member_is_not_present(tmp_path: Path) -> None:
    async with (
        running(tmp_path, presence_notice_members=100, presence_grace_seconds=3600) as harness,
        harness.connected("mina") as mina,
        harness.connected("jun") as jun,
    ):
        await mina.subscribe(LIVE_TOPIC)
        await jun.subscribe(TOPIC)
        await jun.subscribe(LIVE_TOPIC, subscription="n")
        await shows(harness, "jun", "mina")

        del harness.rooms.roles["jun", "yard"]
        await harness.append(removal("jun"))

        await shows(harness, "mina")
        assert (await get_presence(harness, "jun")).status_code == 403


async def test_nothing_is_announced_in_a_large_room(tmp_path: Path) -> None:
    async with (
        running(tmp_path, presence_notice_members=1) as harness,
        harness.connected("mina") as mina,
        harness.connected("jun") as jun,
    ):
        await mina.subscribe(LIVE_TOPIC)
        await mina.message()
        await jun.subscribe(TOPIC)
        await shows(harness, "jun", "mina")
        await mina.send("", destination="/app/rooms.yard.typing")

        assert (await mina.message()).json["kind"] == "room.typing"


async def test_present_users_are_paginated(harness: Harness) -> None:
    users = [f"user{number}" for number in range(5)]
    harness.rooms.add(*users)
    async with AsyncExitStack() as stack:
        for user in users:
            client = await stack.enter_async_context(harness.connected(user))
            await client.subscribe(TOPIC)
        await shows(harness, *users)

        found: list[str] = []
        query: dict[str, Any] = {"limit": 2}
        while query:
            page = (await get_presence(harness, **query)).json()
            assert page["count"] == 5
            found += [item["user"] for item in page["items"]]
            query = {"limit": 2, "cursor": page["next"]} if page["next"] else {}

        assert found == users


@pytest.mark.parametrize(
    ("user", "room", "query", "status"),
    [
        ("ara", "yard", {}, 403),
        ("mina", "well", {}, 404),
        ("mina", "a.b", {}, 422),
        ("mina", "yard", {"limit": 0}, 422),
        ("mina", "yard", {"limit": 201}, 422),
        ("mina", "yard", {"cursor": ""}, 422),
        ("mina", "yard", {"cursor": "x" * 65}, 422),
    ],
)
async def test_invalid_requests_and_non_members_are_refused(
    harness: Harness, user: str, room: str, query: dict[str, Any], status: int
) -> None:
    answer = await get_presence(harness, user, room, **query)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_request_without_a_token_is_refused(harness: Harness) -> None:
    assert (await harness.http.get(PATH.format("yard"))).status_code == 401


async def test_an_outage_of_redis_affects_only_presence(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        unreachable = f"redis://:secret@127.0.0.1:{taken.getsockname()[1]}/0"
    async with (
        running(tmp_path, redis_url=SecretStr(unreachable), presence_notice_members=100) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(TOPIC)
        await until(lambda: harness.metric("presence_failures_total") > 1)

        await mina.send("hello")
        answer = await get_presence(harness)

        assert (await mina.message()).text == "hello"
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert (await harness.http.get("/health/ready")).status_code == 200
        assert harness.metric("presence_here") == 1


async def test_gateways_share_presence_through_redis(
    tmp_path: Path, redis_database_url: str
) -> None:
    given: dict[str, Any] = {
        "redis_url": SecretStr(redis_database_url),
        "presence_grace_seconds": GRACE_SECONDS,
    }
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        running(tmp_path / "one", **given) as one,
        running(tmp_path / "two", **given) as two,
        one.connected("mina") as mina,
    ):
        await mina.subscribe(LIVE_TOPIC)
        async with one.connected("jun") as jun, two.connected("jun") as other:
            await jun.subscribe(TOPIC)
            await other.subscribe(TOPIC)
            await shows(one, "jun", "mina")
            await shows(two, "jun", "mina")
        await shows(two, "mina")
