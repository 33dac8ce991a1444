"""The error that a command prints."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from madang_common import logging
from madang_common.commands import result_of
from madang_common.settings import CannotStart, CommonSettings, Environment


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> list[CommonSettings]:
    """Give the settings of the log, and leave those of the test run alone."""
    configured: list[CommonSettings] = []
    monkeypatch.setattr(logging, "configure", configured.append)
    monkeypatch.setattr(os, "umask", lambda _: 0)
    return configured


class QueryError(Exception):
    """An error as SQLAlchemy's: its text has parameters, `orig` is the driver's error."""

    def __init__(self) -> None:
        super().__init__("access denied [SQL: … parameters: secret]")
        self.orig = OSError("access denied")


def told(error: Exception, cause: Exception | None, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command prints that fails with `error`, which has `cause`."""

    async def fail(_: CommonSettings) -> None:
        raise error from cause

    with pytest.raises(SystemExit, match=r"^3$"):
        result_of(
            "madang-test check",
            lambda: CommonSettings(environment=Environment.DEVELOPMENT),
            fail,
            (),
            status=3,
        )
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "cause", "line"),
    [
        (CannotStart("no answer"), None, "no answer"),
        (CannotStart("No answer."), OSError("refused"), "No answer: refused"),
        (CannotStart("b: refused"), OSError("refused"), "b: refused"),
        (CannotStart("no answer"), QueryError(), "no answer: access denied"),
        (OSError("disk full"), None, "disk full"),
    ],
)
def test_the_cause_is_told_once_and_without_parameters(
    error: Exception, cause: Exception | None, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(error, cause, capsys) == f"madang-test check: {line}\n"


@pytest.mark.parametrize(("log_level", "used"), [("ERROR", "ERROR"), (None, "DEBUG")])
def test_the_log_level_is_the_given_one_or_as_configured(
    log_level: str | None, used: str, configured: list[CommonSettings]
) -> None:
    async def succeed(_: CommonSettings) -> str:
        return "done"

    result = result_of(
        "madang-test check",
        lambda: CommonSettings(environment=Environment.DEVELOPMENT, log_level="DEBUG"),
        succeed,
        (),
        log_level=log_level,
    )

    assert result == "done"
    assert [settings.log_level for settings in configured] == [used]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt, which a shell has its background jobs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_command_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def wait(_: CommonSettings) -> None:
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()

    with pytest.raises(SystemExit, match=r"^130$"):
        result_of(
            "madang-test wait",
            lambda: CommonSettings(environment=Environment.DEVELOPMENT),
            wait,
            (),
        )

    assert capsys.readouterr().err == "madang-test wait: interrupted\n"


def test_a_defect_is_shown_and_has_the_status_of_a_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = told(ZeroDivisionError("a defect"), None, capsys)

    assert "Traceback" in shown
    assert shown.endswith("ZeroDivisionError: a defect\nmadang-test check: unexpected error\n")
