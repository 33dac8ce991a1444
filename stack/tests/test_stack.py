"""The full product as a person starts it, and as tests break it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from stack.listening import listening
from stack.outside import client
from stack.servers.deadline import wait_until
from stack.stack import Stack, StackError

_SCRAPED_SECONDS = 30
_FAIL_TIMEOUT_SECONDS = 2
"""How long nginx takes a replica for dead that did not answer (deploy/nginx/proxy.env)."""


def test_everything_is_reached_from_outside_by_the_certificate(stack: Stack) -> None:
    assert stack.unreached() == {}


def test_nobody_trusts_it_without_the_certificate(stack: Stack) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(stack.url, trust_env=False)


def test_two_replicas_of_each_service_have_an_address_and_a_process(stack: Stack) -> None:
    addresses = json.loads((stack.folder / "addresses.json").read_text())
    for service in ("auth", "rooms", "history", "gateway"):
        for number in (1, 2):
            replica = addresses[f"{service}-{number}"]
            ready = httpx.get(f"{replica['address']}/health/ready", trust_env=False)
            assert ready.status_code == httpx.codes.OK, ready.text
            (socket,) = listening({replica["pid"]})
            assert replica["address"] == f"http://{socket.address}:{socket.port}"
            assert socket.pid == replica["pid"]
    assert addresses["nginx"]["address"] == stack.url


def test_no_secret_of_the_stack_can_be_read_by_others(stack: Stack) -> None:
    secret = [stack.rabbitmq.password, stack.mariadb.password, stack.redis.password]
    files = [path for path in (stack.folder / "secrets").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    secret += [path.read_text() for path in files if path.suffix != ".pem"]
    for path in stack.folder.rglob("*"):
        if path.suffix in {".json", ".conf", ".sql", ".log"} and path.stat().st_mode & 0o077:
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not [word for word in secret if word in text], path


def test_prometheus_scrapes_every_replica(stack: Stack) -> None:
    def all_up() -> bool:
        targets = stack.prometheus.targets()
        return all(targets.get(replica.address) == "up" for replica in stack.services)

    assert wait_until(all_up, seconds=_SCRAPED_SECONDS), stack.prometheus.targets()
    found = stack.prometheus.query('up{job="gateway"} == 1')
    assert {sample["metric"]["instance"] for sample in found} == {
        gateway.address for gateway in stack.gateways
    }
    assert "MadangInstanceDown" in stack.prometheus.alerts()


def test_prometheus_sends_alerts_to_alertmanager(stack: Stack) -> None:
    expected = [f"http://{stack.alertmanager.address}/api/v2/alerts"]

    def found() -> bool:
        return stack.prometheus.alertmanagers() == expected

    assert wait_until(found, seconds=_SCRAPED_SECONDS), stack.prometheus.alertmanagers()


def test_a_service_is_reached_while_one_of_its_replicas_is_dead(mortal_stack: Stack) -> None:
    kinds = (mortal_stack.auth, mortal_stack.rooms, mortal_stack.history, mortal_stack.gateways)
    for number in (0, 1):
        for replicas in kinds:
            replicas[number].kill()
        for _ in range(4):
            assert mortal_stack.unreached() == {}
        mortal_stack.heal()
        time.sleep(_FAIL_TIMEOUT_SECONDS)


def test_a_replica_comes_back_where_it_was(mortal_stack: Stack) -> None:
    gateway = mortal_stack.gateways[0]
    address, before = gateway.address, gateway.process
    gateway.restart()
    assert gateway.address == address
    assert gateway.process != before


def test_a_changed_setting_restarts_the_services_that_have_it(
    mortal_stack_with: Callable[..., Stack],
) -> None:
    stack = mortal_stack_with(MADANG_HEARTBEAT_SECONDS="3")
    before = {service.name: service.process for service in stack.services}

    stack = mortal_stack_with(MADANG_HEARTBEAT_SECONDS="4")

    restarted = {one.name for one in stack.services if one.process != before[one.name]}
    assert restarted == {gateway.name for gateway in stack.gateways}
    assert stack.gateways[0].settings("gateway")["MADANG_HEARTBEAT_SECONDS"] == "4"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("MADANG_HEARTBEAT_SECONDS", {"gateway"}),
        ("MADANG_ACCESS_TOKEN_SECONDS", {"auth"}),
        ("MADANG_SERVICE_CLIENT_SECRET_FILE", {"auth", "gateway", "history", "rooms"}),
        ("MADANG_NO_SETTING", {"auth", "gateway", "history", "rooms"}),
    ],
)
def test_a_setting_concerns_the_services_that_read_it(
    name: str, kinds: set[str], tmp_path: Path
) -> None:
    concerned = Stack(tmp_path)._concerned({name: "1"})

    assert {service.kind for service in concerned} == kinds


def test_a_port_that_is_taken_is_told_before_anything_starts(stack: Stack, tmp_path: Path) -> None:
    other = Stack(tmp_path)
    with pytest.raises(StackError, match=f"port {stack.nginx.port} is taken"):
        other.up(port=stack.nginx.port)
    assert not any(part.process for part in (*other.servers, *other.services))


def test_from_the_command_line_it_stops_starts_and_says_so(mortal_stack: Stack) -> None:
    port = mortal_stack.nginx.port
    talking = {"MADANG_SERVER": mortal_stack.url, "MADANG_PASSWORD": "correct horse"}
    assert "is up already" in _command("up", mortal_stack, **talking)
    assert "is down" in _command("down", mortal_stack)
    assert not any(part.process for part in (*mortal_stack.servers, *mortal_stack.services))
    said = _command("up", mortal_stack, MADANG_LOG_LEVEL="DEBUG")
    assert f"Madang is ready: https://localhost:{port}" in said
    with client(mortal_stack.url, mortal_stack.ca) as asking:
        assert asking.get("/").status_code == httpx.codes.OK
    assert mortal_stack.settings_of("rooms")["MADANG_LOG_LEVEL"] == "DEBUG"


def test_a_services_command_is_run_as_its_operator_would(stack: Stack) -> None:
    assert _command("do", stack, "history", "dead", "list") == ""
    assert _command("do", stack, "history", "dead", "resend", "--all") == ""
    with pytest.raises(AssertionError, match="invalid choice: 'undead'"):
        _command("do", stack, "history", "undead")


def _command(name: str, stack: Stack, *arguments: str, **env: str) -> str:
    env = stack.settings | {"MADANG_STACK_DIR": str(stack.folder)} | env
    done = subprocess.run(
        [sys.executable, "-m", "stack", name, *arguments],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_process_listens_for_other_machines(stack: Stack) -> None:
    parts = [*stack.servers, *stack.services]
    pids = {process.pid for part in parts for process in part.processes.read().values()}

    found = listening(pids)

    assert {part.port for part in parts} <= {socket.port for socket in found}
    assert [socket for socket in found if not ip_address(socket.address).is_loopback] == []
