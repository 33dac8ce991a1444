"""The servers of a run end with it, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.run import ServerRun
from tests.stack.servers import Redis
from tests.stack.servers.deadline import wait_until

_OWNER = """
import sys
from tests.stack.run import ServerRun
from tests.stack.servers import Redis
run = ServerRun.begin()
run.shared(Redis)
print(run.folder, flush=True)
sys.stdin.read()
"""


def test_servers_end_when_their_owner_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    ) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        redis = Redis(folder / Redis.name).process
        assert redis is not None
        owner.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not redis.alive, seconds=20)
    assert wait_until(lambda: not folder.exists(), seconds=20)


def test_everybody_who_asks_gets_the_same_server() -> None:
    run = ServerRun.begin()
    try:
        first, second = run.shared(Redis), run.shared(Redis)
        assert first.process == second.process is not None
    finally:
        run.end()
    assert first.process is None
    assert not run.folder.exists()


@pytest.mark.parametrize("log", ["it said something", ""])
def test_logs_stay_after_a_failure_if_there_are_any(log: str) -> None:
    run = ServerRun.begin()
    redis = run.private(Redis, "redis")
    redis.folder.mkdir()
    redis.log_file.write_text(log)
    (redis.folder / "data").write_text("much")
    run.end(keep_logs=True)
    left = [path for path in run.folder.rglob("*") if path.is_file()]
    assert left == ([redis.log_file] if log else [])
    if log:
        run.end()
    assert not run.folder.exists()
