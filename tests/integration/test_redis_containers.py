"""The commands by which compose and the chart start Redis, on a real Redis."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from redis import Redis
from redis.exceptions import RedisError

from contracts.chart.rendering import CHART, release
from stack.servers.deadline import wait_until
from tests.support.deployment import ROOT

_PASSWORD = "a b'\"#\\$(x) %s\ndir /nowhere\né"
_SECONDS = 20


def of_compose() -> tuple[str, str]:
    """Return the command of the container in compose, and the file of the password."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    script: str = compose["services"]["redis"]["command"][-1]
    return script.replace("$$", "$"), "/run/secrets/madang/password"


def of_chart() -> tuple[str, str]:
    """Return the command of the container in the chart, and the file of the password."""
    manifests = release(CHART / "ci/trial-values.yaml")
    (redis,) = (part for part in manifests.workloads if part.title == "StatefulSet/madang-redis")
    return redis.main[0]["command"][-1], "/run/secrets/madang/passwords/redis"


def ping(socket: Path, password: str) -> bool:
    with Redis(unix_socket_path=str(socket), password=password) as client:
        return bool(client.ping())


def answers(socket: Path) -> bool:
    with suppress(RedisError):
        return ping(socket, _PASSWORD)
    return False


@pytest.mark.parametrize("command", [of_compose, of_chart])
def test_redis_takes_any_password_and_the_signal_to_stop(
    command: Callable[[], tuple[str, str]], tmp_path: Path
) -> None:
    script, file = command()
    (tmp_path / "password").write_text(_PASSWORD, encoding="utf-8")
    socket = tmp_path / "socket"
    script = script.replace(file, str(tmp_path / "password")).replace("/data", str(tmp_path))
    script = script.replace("redis-server -", f"redis-server - --port 0 --unixsocket {socket}")
    process = subprocess.Popen(["sh", "-euc", script], cwd=tmp_path, start_new_session=True)
    try:
        assert wait_until(lambda: answers(socket), seconds=_SECONDS)
        with pytest.raises(RedisError, match="invalid username-password"):
            ping(socket, "a")
        process.terminate()
        assert process.wait(_SECONDS) == 0
        assert not answers(socket)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
