"""The schema of rooms, brought up to date as an operator does it."""

import subprocess
import sys
from collections.abc import Mapping

_SECONDS = 120


class MigrationError(Exception):
    """It could not be done; the message is what it printed."""


def migrate(settings: Mapping[str, str]) -> None:
    """Bring the database that `settings` tell of up to date."""
    done = subprocess.run(
        [sys.executable, "-m", "madang_rooms", "migrate"],
        env=settings,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise MigrationError(f"the migration of rooms failed:\n{done.stdout}{done.stderr}")
