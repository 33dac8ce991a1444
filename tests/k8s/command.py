"""Programs that the tests run, with their output and a deadline."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

_SECONDS = 600


class ProgramError(Exception):
    """A program failed; the message has its arguments and its output."""


def run(
    command: Sequence[str | Path], *, text: str | None = None, seconds: float = _SECONDS
) -> str:
    """Run a command with `text` on its standard input and return its output."""
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise ProgramError(f"{_line(command)}: no end within {seconds:.0f} s") from late
    if done.returncode != 0:
        raise ProgramError(f"{_line(command)}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def _line(command: Sequence[str | Path]) -> str:
    return " ".join(str(part) for part in command)
