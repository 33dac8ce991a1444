"""The servers of a run end with it, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from stack.run import ServerRun
from stack.servers import Redis
from stack.servers.deadline import wait_until

_OWNER = """
import sys
from stack.run import ServerRun
from stack.servers import Redis
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
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
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


def test_logs_can_be_kept(tmp_path: Path) -> None:
    run = ServerRun.begin()
    redis = run.private(Redis, "one")
    redis.folder.mkdir()
    redis.log_file.write_text("it said something")
    (redis.folder / "data").write_text("much")
    run.private(Redis, "silent").folder.mkdir()
    run.private(Redis, "silent").log_file.touch()
    run.end(logs_to=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "one/redis.log"]
    assert not run.folder.exists()
