"""A service's command, run as an operator does it."""

from collections.abc import Mapping

from stack import launching

_SECONDS = 120


class CommandError(Exception):
    """The command failed; the message is its output."""


def run_command(service: str, *arguments: str, settings: Mapping[str, str]) -> str:
    """Run `madang-{service}` with `arguments` and return its output."""
    ended = launching.run(f"madang_{service}", *arguments, env=settings, seconds=_SECONDS)
    if ended.status != 0:
        told = f"madang-{service} {' '.join(arguments)}"
        raise CommandError(f"{told} failed:\n{ended.out}{ended.errors}")
    return ended.out


def migrate(settings: Mapping[str, str]) -> None:
    """Migrate the rooms database that `settings` name."""
    run_command("rooms", "migrate", settings=settings)
