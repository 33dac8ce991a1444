import asyncio
import sqlite3
from pathlib import Path

import pytest

from madang_common.problems import Problem
from services.auth.tests.harness import Harness, running


async def test_ready_while_the_session_store_and_rooms_answer(harness: Harness) -> None:
    answer = await harness.client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json()["dependencies"] == {"sessions": "ok", "rooms": "ok"}


async def test_degraded_without_rooms(harness: Harness) -> None:
    harness.network.cut = True

    answer = await harness.client.get("/health/ready")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["dependencies"] == {"sessions": "ok", "rooms": "Unavailable"}
    assert (await harness.client.get("/health/live")).status_code == 200


async def test_metrics_are_published_under_the_services_name(harness: Harness) -> None:
    await harness.register()
    await harness.login()

    page = (await harness.client.get("/metrics")).text

    assert 'madang_auth_logins_total{result="ok"} 1.0' in page
    assert "madang_auth_registrations_total 1.0" in page
    assert 'madang_auth_password_hash_seconds_count{operation="hash"} 1.0' in page


async def test_expired_sessions_are_deleted_in_the_background(tmp_path: Path) -> None:
    async with running(tmp_path, sweep_seconds=0.01, refresh_idle_seconds=100) as harness:
        await harness.register()
        pair = await harness.login()
        harness.time.advance(100)

        async with asyncio.timeout(10):
            while stored(tmp_path, pair.claims.session):  # noqa: ASYNC110 - another process's view
                await asyncio.sleep(0.01)


def stored(data_dir: Path, login: str) -> bool:
    """Return whether the table still has the session."""
    db = sqlite3.connect(data_dir / "auth" / "sessions.db")
    try:
        return bool(db.execute("SELECT 1 FROM logins WHERE id = ?", (login,)).fetchall())
    finally:
        db.close()


async def test_everything_is_closed_at_the_end(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.register()

    with pytest.raises(Problem):
        await harness.app.state.sessions.current("0" * 24)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "auth-expiry"]
