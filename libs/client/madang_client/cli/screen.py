"""Output of commands: results to stdout, remarks to stderr."""

import io
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from madang_client.cli.plain import plain


def replace_unencodable() -> None:
    """Write `?` for characters that the encoding of the output does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class Screen:
    """Writes plain lines to a pipe, coloured ones to a terminal."""

    def __init__(self) -> None:
        # Without a file argument it uses the current sys.stdout, which a prompt replaces.
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

    @property
    def is_terminal(self) -> bool:
        """Whether stdout is a terminal."""
        return self._console.is_terminal

    def say(self, line: str, style: str = "") -> None:
        """Write a line of the result."""
        if self.is_terminal:
            self._console.print(Text(line, style=style))
        else:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    def table(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows: aligned on a terminal, separated by tabs in a pipe."""
        if not self.is_terminal:
            for row in rows:
                self.say("\t".join(plain(cell) for cell in row))
            return
        table = Table(*names, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        self._console.print(table)

    @staticmethod
    def remark(line: str) -> None:
        """Write a remark to stderr."""
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
