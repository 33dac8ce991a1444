"""Types and options of command lines, shared by the commands of all services."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import override

T = TypeVar("T")


def checked(read: Callable[[str], T]) -> Callable[[str], T]:
    """Return the type of an argument that `read` parses; argparse shows the text of its ValueError.

    Without it, argparse replaces the text by `invalid value`.
    """

    def parse(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


@checked
def positive_seconds(text: str) -> float:
    """Return the seconds in `text`; raise ArgumentTypeError unless they are a number above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{text}: give a number of seconds above 0")
    return seconds


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return the type of an argument that is a whole number from `least` to `most`."""

    @checked
    def parse(text: str) -> int:
        # `int` also accepts spaces, signs, underscores and other digits.
        is_short = len(text) <= len(str(most))
        number = int(text) if is_short and text.isascii() and text.isdecimal() else -1
        if not least <= number <= most:
            raise ValueError(f"{text[:32]}: give a whole number from {least} to {most}")
        return number

    return parse


def add_user_options(parser: argparse.ArgumentParser, *, passwords: str, former: str) -> None:
    """Add `--passwords` and `--former`, with these help texts, to a command that makes users."""
    parser.add_argument("--passwords", type=Path, required=True, metavar="DIR", help=passwords)
    parser.add_argument(
        "--former", nargs="*", default=[], metavar="USER", action=_StoreNames, help=former
    )


class _StoreNames(argparse.Action):
    """Stores the names that are not empty: a script may pass a variable that is not set."""

    @override
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, [name for name in values or () if name])
