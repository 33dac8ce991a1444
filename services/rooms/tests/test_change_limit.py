from pathlib import Path

from services.rooms.tests.harness import embedded_log, read, running


async def test_changes_above_the_limit_are_refused_with_retry_after(tmp_path: Path) -> None:
    few = {"user_changes_burst": 3, "user_changes_per_second": 0.01}
    async with embedded_log(tmp_path) as log, running(tmp_path, log, **few) as harness:
        nari, bora = await harness.person("nari"), await harness.person("bora")
        room = await nari.make_room("public")
        await nari.invite(room)
        await nari.invite(room)

        refused = await nari.request("PATCH", f"/rooms/{room}", {"name": "뜰"})

        assert read(refused, 429)["title"] == "Too many requests"
        assert 0 < int(refused.headers["Retry-After"]) <= 100
        assert (await nari.get(f"/rooms/{room}"))["name"] == "마당"
        read(await bora.request("POST", f"/rooms/{room}/join"), 200)
        assert await harness.metric("madang_rooms_throttled_total") == 1
