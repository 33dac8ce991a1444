import io
import logging
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
import structlog

from madang_common.logging import configure
from madang_common.settings import LogFormat
from services.auth.tests.harness import PASSWORD, SECRET, Harness, running, settings

NEW_PASSWORD = "a brand new password"
MISTYPED = "a password typed as username"


@pytest.fixture(params=list(LogFormat))
def written(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[io.StringIO]:
    """Return all that the service logs at DEBUG, in one of the formats."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before = root.handlers, root.level
    configure(settings(tmp_path, log_format=request.param, log_level="DEBUG"))
    structlog.configure(cache_logger_on_first_use=False)
    yield stream
    root.handlers, _ = before
    root.setLevel(before[1])
    structlog.reset_defaults()


async def whole_flow(harness: Harness) -> list[str]:
    """Send every kind of request, valid and invalid; return the secrets in them."""
    client = harness.client
    await harness.register()
    first = await harness.login()
    second = await harness.refresh(first.refresh)
    await harness.refresh(first.refresh)
    other = await harness.login()
    await harness.try_login(password="a wrong password")
    await harness.try_login(username=MISTYPED)
    await client.post("/api/auth/v1/register", json={"username": "x", "password": PASSWORD})
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    await client.post("/api/auth/v1/password", json=body, headers=second.headers)
    await client.get("/api/auth/v1/logins", headers=second.headers)
    answer = await client.post(
        "/internal/token", data={"grant_type": "client_credentials"}, auth=("rooms", SECRET)
    )
    harness.time.advance(60)
    await harness.try_refresh(first.refresh)
    await client.post("/api/auth/v1/logout", json={"refresh_token": second.refresh})
    # An unexpected exception, with the password in a variable of its frames.
    harness.rooms.named("mina")["password_hash"] = None
    await harness.try_login(password=NEW_PASSWORD)
    del harness.app.state.sessions
    await client.get("/api/auth/v1/me", headers=second.headers)
    pairs = (first, second, other)
    tokens = [pair.access.rpartition(".")[2] for pair in pairs]
    tokens += [part for pair in pairs for part in pair.refresh.split(".")[1:]]
    passwords = [PASSWORD, NEW_PASSWORD, "a wrong password", MISTYPED, SECRET]
    return [*passwords, *tokens, answer.json()["access_token"], "$argon2id$"]


async def test_nothing_secret_is_logged(tmp_path: Path, written: io.StringIO) -> None:
    async with running(tmp_path) as harness:
        secrets = await whole_flow(harness)

    log = written.getvalue()
    for event in ("login_opened", "refresh_token_reused", "request_failed", "password_changed"):
        assert event in log
    assert [secret for secret in secrets if secret in log] == []
