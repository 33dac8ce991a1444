import asyncio
from pathlib import Path

from madang_common.log.position import shard_of
from services.rooms.tests.flaky_log import FlakyLog
from services.rooms.tests.harness import (
    QUICK_OUTBOX,
    SHARDS,
    read,
    running,
    stored_lines,
    until_outbox_empty,
)


async def test_a_removal_is_answered_when_its_event_is_in_the_log(
    tmp_path: Path, flaky_log: FlakyLog
) -> None:
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX, outbox_answer_seconds=30) as harness:
        nari, bora = await harness.person("nari"), await harness.person("bora")
        room = await nari.make_room()
        await nari.bring(room, bora)
        await until_outbox_empty(tmp_path)
        flaky_log.unavailable = set(range(SHARDS))

        removing = asyncio.create_task(nari.request("DELETE", f"/rooms/{room}/members/{bora.id}"))
        flaky_log.tried.clear()
        await flaky_log.tried.wait()
        early = removing.done()
        flaky_log.unavailable = set()
        read(await removing, 204)

        shard = shard_of(f"rooms.{room}", SHARDS)
        lines = await stored_lines(flaky_log, shard)
        assert not early
        assert sum(b'"member.removed"' in line for line in lines) == 1


async def test_a_removal_is_answered_after_a_bounded_wait_while_the_log_is_unavailable(
    tmp_path: Path, flaky_log: FlakyLog
) -> None:
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX, outbox_answer_seconds=0.05) as harness:
        nari, bora = await harness.person("nari"), await harness.person("bora")
        room = await nari.make_room()
        await nari.bring(room, bora)
        flaky_log.unavailable = set(range(SHARDS))

        removed = await nari.request("DELETE", f"/rooms/{room}/members/{bora.id}")

        assert removed.status_code == 204
        assert [
            member["user"]["id"] for member in (await nari.get(f"/rooms/{room}/members"))["items"]
        ] == [nari.id]
