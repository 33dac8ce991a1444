"""A service's command, run as an operator does it."""

import subprocess
import sys
from collections.abc import Mapping

_SECONDS = 120


class CommandError(Exception):
    """The command failed; the message is its output."""


def run_command(service: str, *arguments: str, settings: Mapping[str, str]) -> str:
    """Run `madang-{service}` with `arguments` and return its output."""
    done = subprocess.run(
        [sys.executable, "-m", f"madang_{service}", *arguments],
        env=settings,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        told = f"madang-{service} {' '.join(arguments)}"
        raise CommandError(f"{told} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def migrate(settings: Mapping[str, str]) -> None:
    """Migrate the rooms database that `settings` name."""
    run_command("rooms", "migrate", settings=settings)
