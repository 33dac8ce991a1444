"""Both launchers start the same process: by an interpreter, and by forking a preloaded one."""

import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from stack import launching
from stack.launching import Ended, Interpreter, Launched, Launcher
from stack.preloaded import Preloaded, _reply, _Start
from stack.run import ServerRun
from stack.servers.processes import streams_to

MODULE = "stack.tests.launched_program"
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "LC_ALL": "C.UTF-8"}
SECONDS = 60


@pytest.fixture
def preloaded(server_run: ServerRun) -> Preloaded:
    return server_run.preloaded()


@pytest.fixture(params=["interpreter", "preloaded"])
def launcher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    """Give each launcher, which is the current one meanwhile."""
    launcher: Launcher = (
        Interpreter() if request.param == "interpreter" else request.getfixturevalue("preloaded")
    )
    monkeypatch.setattr(launching._current, "launcher", launcher)
    return launcher


@pytest.fixture
def start(launcher: Launcher, tmp_path: Path) -> Callable[..., Launched]:
    """Give the start of the program with its arguments."""

    def start(*arguments: str) -> Launched:
        with streams_to(tmp_path / "log") as streams:
            return launcher.start(MODULE, *arguments, env=ENVIRONMENT, streams=streams)

    return start


def run(*arguments: str, given: str = "", **environment: str) -> Ended:
    env = ENVIRONMENT | environment
    return launching.run(MODULE, *arguments, env=env, seconds=SECONDS, given=given)


def reported(ended: Ended) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(ended.out)
    return report


@pytest.mark.usefixtures("launcher")
def test_output_and_errors_are_told_apart() -> None:
    ended = run("report", "one", "and two")

    assert (ended.status, ended.errors) == (0, "reported")
    assert reported(ended)["arguments"] == ["one", "and two"]


@pytest.mark.usefixtures("launcher")
@pytest.mark.parametrize("status", [0, 3])
def test_the_exit_status_is_returned(status: int) -> None:
    assert run("exit", str(status)).status == status


@pytest.mark.usefixtures("launcher")
def test_stdin_is_what_was_given() -> None:
    assert reported(run("report", given="안녕\n"))["stdin"] == "안녕\n"
    assert reported(run("report"))["stdin"] == ""


@pytest.mark.usefixtures("launcher")
def test_the_environment_is_only_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADANG_OF_THE_CALLER", "1")

    report = reported(run("report", MADANG_GIVEN="yes"))

    assert report["environment"] == ENVIRONMENT | {"MADANG_GIVEN": "yes"}


@pytest.mark.usefixtures("launcher")
def test_the_folder_is_that_of_the_caller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert reported(run("report"))["folder"] == str(tmp_path)


@pytest.mark.usefixtures("launcher")
def test_a_process_has_its_own_session() -> None:
    report = reported(run("report"))

    assert report["session"] == report["process"] != os.getsid(0)


def test_the_status_after_a_signal_is_negative(start: Callable[..., Launched]) -> None:
    process = start("wait")

    process.send_signal(signal.SIGTERM)

    assert process.wait(SECONDS) == -signal.SIGTERM


def test_the_wait_for_a_process_that_runs_on_times_out(start: Callable[..., Launched]) -> None:
    process = start("wait")

    with pytest.raises(TimeoutError):
        process.wait(0.1)

    process.send_signal(signal.SIGKILL)
    assert process.wait(SECONDS) == -signal.SIGKILL


def test_two_processes_run_at_once(start: Callable[..., Launched]) -> None:
    first, second = start("wait"), start("exit", "3")

    assert second.wait(SECONDS) == 3
    with pytest.raises(TimeoutError):
        first.wait(0.1)
    first.send_signal(signal.SIGTERM)
    assert first.wait(SECONDS) == -signal.SIGTERM
    assert second.wait(SECONDS) == 3


def start_request() -> bytes:
    start = _Start(MODULE, ["exit", "0"], ENVIRONMENT, str(Path.cwd()))
    return json.dumps(asdict(start)).encode()


@pytest.mark.parametrize("length", [0, 20, None], ids=["nothing", "a part", "a request"])
def test_an_aborted_client_does_not_end_the_process_that_forks(
    preloaded: Preloaded, length: int | None, tmp_path: Path
) -> None:
    with preloaded._connection() as connection, streams_to(tmp_path / "log") as streams:
        if length != 0:
            socket.send_fds(connection, [start_request()[:length]], streams)

    with streams_to(tmp_path / "log") as streams:
        process = preloaded.start(MODULE, "exit", "3", env=ENVIRONMENT, streams=streams)
    assert process.wait(SECONDS) == 3


def test_a_client_whose_request_is_incomplete_gets_an_error(preloaded: Preloaded) -> None:
    with preloaded._connection() as connection:
        connection.send(start_request()[:20])

        with pytest.raises(ConnectionError):
            _reply(connection)


def test_an_environment_that_is_too_long_is_an_error(preloaded: Preloaded, tmp_path: Path) -> None:
    env = ENVIRONMENT | {"LONG": "x" * 200_000}
    with (
        streams_to(tmp_path / "log") as streams,
        pytest.raises(ConnectionError, match="at most 200000"),
    ):
        preloaded.start(MODULE, "exit", "0", env=env, streams=streams)
