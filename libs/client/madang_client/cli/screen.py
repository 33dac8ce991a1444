"""Where a command writes: answers to stdout, remarks to stderr."""

import io
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from madang_client.cli.plain import plain


def replace_unencodable() -> None:
    """Write `?` for characters that the output's encoding does not have, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class Screen:
    """Plain lines for a pipe, some colour for a person."""

    def __init__(self) -> None:
        # Without a file of its own it finds sys.stdout anew each time, which a prompt replaces.
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

    @property
    def is_for_a_person(self) -> bool:
        """Whether stdout is a terminal."""
        return self._console.is_terminal

    def say(self, line: str, style: str = "") -> None:
        """Write a line that is the command's answer."""
        if self.is_for_a_person:
            self._console.print(Text(line, style=style))
        else:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    def table(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows: aligned for a person, separated by tabs for a program."""
        if not self.is_for_a_person:
            for row in rows:
                self.say("\t".join(plain(cell) for cell in row))
            return
        table = Table(*names, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        self._console.print(table)

    @staticmethod
    def remark(line: str) -> None:
        """Write a line about the answer."""
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
