import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import event

from madang_rooms.wiring import FILE
from services.rooms.tests.harness import Harness, read


async def test_questions_are_answered_in_order(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room, old = await nari.make_room(), await nari.make_room()
    await nari.bring(room, dae, "moderator")
    read(await nari.request("POST", f"/rooms/{old}/archive"), 200)

    answers = await harness.access(
        (dae.id, room),
        (nari.id, old),
        (dae.id, old),
        (nari.id, "none"),
        ("nobody", room),
        (dae.id, room),
    )

    found = [(a["user"], a["room"], a["exists"], a["role"], a["archived"]) for a in answers]
    assert found == [
        (dae.id, room, True, "moderator", False),
        (nari.id, old, True, "owner", True),
        (dae.id, old, True, None, True),
        (nari.id, "none", False, None, False),
        ("nobody", room, True, None, False),
        (dae.id, room, True, "moderator", False),
    ]


async def test_no_questions_have_no_answers(harness: Harness) -> None:
    assert await harness.access() == []


async def test_a_batch_is_bounded(harness: Harness) -> None:
    nari = await harness.person("nari")
    rooms = [await nari.make_room() for _ in range(5)]
    pairs = [(f"user{number % 50}", rooms[number % 5]) for number in range(499)]

    answers = await harness.access((nari.id, rooms[0]), *pairs)
    too_many = [{"user": "a", "room": "b"}] * 501
    refused = await harness.internal("POST", "/access", {"questions": too_many}, "gateway")

    assert len(answers) == 500
    assert [answer["role"] for answer in answers] == ["owner"] + [None] * 499
    read(refused, 422)


async def test_a_batch_is_one_statement_without_a_table_scan(
    embedded_harness: Harness, tmp_path: Path
) -> None:
    harness = embedded_harness
    nari = await harness.person("nari")
    room = await nari.make_room()
    engine = harness.app.state.rooms_services.access.units._database._reading.sync_engine
    statements: list[tuple[str, tuple[object, ...]]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(*args: Any) -> None:
        if "memberships" in args[2]:
            statements.append((args[2], args[3]))

    await harness.access(*[(nari.id, room), ("nobody", room), (nari.id, "none")] * 50)

    [(statement, parameters)] = statements
    with sqlite3.connect(tmp_path / FILE) as db:
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    db.close()
    tables = ("SCAN rooms", "SCAN memberships")
    assert plan
    assert not [step for step in plan if step.startswith(tables)]


async def test_only_services_may_ask(harness: Harness) -> None:
    nari = await harness.person("nari")

    for headers in ({}, nari.headers):
        answer = await harness.client.post(
            "/internal/access", json={"questions": []}, headers=headers
        )
        read(answer, 401)
