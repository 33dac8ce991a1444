import unicodedata
from pathlib import Path

import pytest

from services.rooms.tests.harness import API, EPOCH, Harness, embedded_log, events_of, read, running


async def test_a_new_room_is_owned_by_its_creator(harness: Harness) -> None:
    nari = await harness.person("nari", "나리 🌸")

    made = read(
        await nari.request("POST", "/rooms", {"name": " 수다방 💬 ", "visibility": "public"}), 201
    )

    assert made == {
        "id": made["id"],
        "name": "수다방 💬",
        "visibility": "public",
        "role": "owner",
        "archived": False,
        "members": 1,
        "peer": None,
        "hidden": False,
        "created_by": nari.id,
        "created_at": "2027-01-15T08:00:00.000Z",
    }
    assert harness.clock.now == EPOCH
    assert await nari.get(f"/rooms/{made['id']}") == made
    assert await nari.get("/rooms") == {"items": [made], "next": None}


async def test_a_public_room_is_found_in_any_case(harness: Harness) -> None:
    nari = await harness.person("nari")
    room = await nari.make_room("public", "마당 Été")

    for query in ("마당", unicodedata.normalize("NFD", "마당"), "ÉTÉ", "e\u0301te\u0301", " 마당 "):
        answer = await nari.client.get(
            f"{API}/rooms/public", params={"query": query}, headers=nari.headers
        )
        assert [item["id"] for item in read(answer, 200)["items"]] == [room], query


async def test_creating_a_room_publishes_events_to_the_room_and_its_owner(harness: Harness) -> None:
    nari = await harness.person("nari", "나리 🌸")

    room = await nari.make_room("public", "수다방")

    to_room = await events_of(harness.log, f"rooms.{room}", "member.joined")
    to_nari = await events_of(harness.log, f"users.{nari.id}", "membership.added")
    assert [(event["kind"], event["data"]) for event in to_room] == [
        ("room.created", {"name": "수다방", "visibility": "public"}),
        ("member.joined", {"user": nari.id, "name": "나리 🌸", "role": "owner", "by": nari.id}),
    ]
    assert [(event["kind"], event["data"]) for event in to_nari] == [
        ("membership.added", {"room": room, "room_name": "수다방", "role": "owner"}),
    ]
    assert {event["sender"] for event in to_room + to_nari} == {nari.id}
    assert {event["sender_name"] for event in to_room + to_nari} == {"나리 🌸"}
    assert len({event["key"] for event in to_room + to_nari}) == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a"},
        {"name": "", "visibility": "public"},
        {"name": "  \u200b ", "visibility": "public"},
        {"name": "a\nb", "visibility": "public"},
        {"name": "a\x00b", "visibility": "public"},
        {"name": "\u202egnp.exe", "visibility": "public"},
        {"name": "가" * 129, "visibility": "public"},
        {"name": "a" * 10_000, "visibility": "public"},
        {"name": ["a"], "visibility": "public"},
        {"name": "a", "visibility": "direct"},
        {"name": "a", "visibility": "secret"},
        {"name": "a", "visibility": "public", "owner": "me"},
    ],
)
async def test_an_invalid_room_is_refused(harness: Harness, body: object) -> None:
    nari = await harness.person("nari")

    problem = read(await nari.request("POST", "/rooms", body), 422)

    assert problem["type"] == "urn:madang:problem:invalid-body"
    assert await nari.get("/rooms") == {"items": [], "next": None}


async def test_a_lone_surrogate_is_refused_and_not_stored(harness: Harness) -> None:
    nari = await harness.person("nari")

    answer = await harness.client.post(
        "/api/rooms/v1/rooms",
        content=rb'{"name": "\ud83d", "visibility": "public"}',
        headers={**nari.headers, "Content-Type": "application/json"},
    )

    assert answer.status_code == 422


@pytest.mark.parametrize(
    "name", ["가" * 128, "👩‍👩‍👧‍👦", "한글", "'; DROP TABLE rooms; --", "%_\\"]
)
async def test_any_visible_name_is_kept(harness: Harness, name: str) -> None:
    nari = await harness.person("nari")

    room = await nari.make_room("public", name)

    assert (await nari.get(f"/rooms/{room}"))["name"] == name
    (event, *_) = await events_of(harness.log, f"rooms.{room}", "room.created")
    assert event["data"]["name"] == name


async def test_composed_and_decomposed_hangul_are_one_name(harness: Harness) -> None:
    nari = await harness.person("nari")

    room = await nari.make_room("public", "\u1112\u1161\u11ab")

    assert (await nari.get(f"/rooms/{room}"))["name"] == "\ud55c"


async def test_my_rooms_come_in_pages_newest_first(harness: Harness) -> None:
    nari = await harness.person("nari")
    rooms = [await nari.make_room(name=f"room {number}") for number in range(5)]

    first = await nari.get("/rooms?limit=2")
    second = await nari.get(f"/rooms?limit=2&cursor={first['next']}")
    third = await nari.get(f"/rooms?limit=2&cursor={second['next']}")

    pages = [[room["id"] for room in page["items"]] for page in (first, second, third)]
    assert pages == [rooms[4:2:-1], rooms[2:0:-1], rooms[:1]]
    assert third["next"] is None


@pytest.mark.parametrize("query", ["cursor=!!!", "cursor=%EA%B0%80", "cursor=_w", "limit=x"])
async def test_an_invalid_page_is_refused(harness: Harness, query: str) -> None:
    nari = await harness.person("nari")

    answer = await nari.request("GET", f"/rooms?{query}")

    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_public_rooms_are_found_by_a_part_of_their_name(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    garden = await nari.make_room("public", "정원 Garden")
    percent = await nari.make_room("public", "100%")
    await nari.make_room("private", "비밀 정원")
    old = await nari.make_room("public", "옛 정원")
    read(await nari.request("POST", f"/rooms/{old}/archive"), 200)

    everything = await dae.get("/rooms/public")
    by_word = await dae.get("/rooms/public?query=정원")
    by_case = await nari.get("/rooms/public?query=gARDEN")
    by_percent = await dae.get("/rooms/public?query=%25")

    assert [room["id"] for room in everything["items"]] == [percent, garden]
    assert [(room["id"], room["role"]) for room in by_word["items"]] == [(garden, None)]
    assert [(room["id"], room["role"]) for room in by_case["items"]] == [(garden, "owner")]
    assert [room["id"] for room in by_percent["items"]] == [percent]


async def test_public_rooms_come_in_pages(harness: Harness) -> None:
    nari = await harness.person("nari")
    rooms = [await nari.make_room("public") for _ in range(3)]

    first = await nari.get("/rooms/public?limit=2")
    second = await nari.get(f"/rooms/public?limit=2&cursor={first['next']}")

    found = [room["id"] for room in first["items"] + second["items"]]
    assert found == rooms[::-1]
    assert second["next"] is None


async def test_renaming_publishes_one_event(harness: Harness) -> None:
    nari = await harness.person("nari")
    room = await nari.make_room(name="old")

    renamed = read(await nari.request("PATCH", f"/rooms/{room}", {"name": "새 이름"}), 200)
    read(await nari.request("PATCH", f"/rooms/{room}", {"name": "새 이름"}), 200)
    read(await nari.request("POST", f"/rooms/{room}/archive"), 200)

    assert renamed["name"] == "새 이름"
    events = await events_of(harness.log, f"rooms.{room}", "room.archived")
    assert [(event["kind"], event["data"]) for event in events[2:]] == [
        ("room.updated", {"name": "새 이름"}),
        ("room.archived", {}),
    ]


async def test_an_archived_room_cannot_be_changed_but_left(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    eun = await harness.person("eun")
    room = await nari.make_room("public")
    code = await nari.invite(room)
    await nari.bring(room, dae)

    archived = read(await nari.request("POST", f"/rooms/{room}/archive"), 200)
    again = read(await nari.request("POST", f"/rooms/{room}/archive"), 200)

    assert archived == again
    assert archived["archived"] is True
    read(await nari.request("PATCH", f"/rooms/{room}", {"name": "new"}), 409)
    read(await nari.request("POST", f"/rooms/{room}/invites", {}), 409)
    read(await nari.request("PATCH", f"/rooms/{room}/members/{dae.id}", {"role": "owner"}), 409)
    read(await eun.request("POST", f"/rooms/{room}/join"), 409)
    read(await eun.accept(code), 409)
    assert (await dae.get(f"/rooms/{room}"))["name"] == "마당"
    read(await dae.request("POST", f"/rooms/{room}/leave"), 204)


async def test_the_rooms_of_a_user_are_limited(tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log, running(tmp_path, log, user_most_rooms=2) as harness:
        await _fill_rooms(harness)


async def _fill_rooms(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    await nari.make_room()
    await nari.make_room()
    public = await dae.make_room("public")
    code = await dae.invite(public)

    created = read(await nari.request("POST", "/rooms", {"name": "a", "visibility": "public"}), 409)
    joined = read(await nari.request("POST", f"/rooms/{public}/join"), 409)
    accepted = read(await nari.accept(code), 409)
    direct = read(await nari.request("POST", "/direct", {"user": dae.id}), 409)

    assert {problem["limit"] for problem in (created, joined, accepted, direct)} == {2}
    assert len((await nari.get("/rooms"))["items"]) == 2


async def test_a_token_of_a_deleted_user_is_unauthenticated(harness: Harness) -> None:
    token = {"Authorization": f"Bearer {harness.issuer.token('gone')}"}

    answer = await harness.client.post(
        "/api/rooms/v1/rooms", headers=token, json={"name": "a", "visibility": "public"}
    )

    read(answer, 401)
