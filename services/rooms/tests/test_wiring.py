from pathlib import Path

from madang_rooms.wiring import FILE
from services.rooms.tests.flaky_log import FlakyLog
from services.rooms.tests.harness import SHARDS, Harness, embedded_log, read, running


async def test_ready_when_the_database_and_the_log_answer(harness: Harness) -> None:
    ready = read(await harness.client.get("/health/ready"), 200)

    assert ready == {"status": "ok", "dependencies": {"database": "ok", "log": "ok"}}
    read(await harness.client.get("/health/live"), 200)


async def test_degraded_while_the_log_is_unavailable(tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as real:
        log = FlakyLog(real)
        async with running(tmp_path, log) as harness:
            log.unavailable = set(range(SHARDS))

            answer = await harness.client.get("/health/ready")

            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
            assert answer.json()["dependencies"] == {"database": "ok", "log": "LogUnavailable"}


async def test_the_data_folder_is_created(tmp_path: Path) -> None:
    async with (
        embedded_log(tmp_path) as log,
        running(tmp_path / "새 폴더" / "100%", log) as harness,
    ):
        read(await harness.client.get("/health/ready"), 200)

    assert (tmp_path / "새 폴더" / "100%" / FILE).exists()


async def test_the_registry_is_on_the_app(harness: Harness) -> None:
    names = {family.name for family in harness.app.state.registry.collect()}

    assert {"madang_rooms_changes", "madang_rooms_outbox_waiting_rows"} <= names


async def test_the_openapi_document_has_all_paths(harness: Harness) -> None:
    paths = harness.app.openapi()["paths"]

    assert set(paths["/api/rooms/v1/rooms"]) == {"get", "post"}
    assert "/internal/access" in paths


async def test_an_unknown_path_and_a_broken_body_are_problems(harness: Harness) -> None:
    nari = await harness.person("nari")

    missing = await harness.client.get("/api/rooms/v1/nothing")
    broken = await harness.client.post(
        "/api/rooms/v1/rooms",
        content=b"{",
        headers={**nari.headers, "Content-Type": "application/json"},
    )
    large = await nari.request("POST", "/rooms", {"name": "a" * 100_000, "visibility": "public"})

    for answer, status in ((missing, 404), (broken, 422), (large, 413)):
        read(answer, status)
