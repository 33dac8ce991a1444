"""Compares committed files with generated ones."""

import sys
from collections.abc import Mapping
from difflib import unified_diff


def diff(committed: Mapping[str, str], generated: Mapping[str, str]) -> list[str]:
    """Return the lines of a unified diff between files, by path."""
    return [
        line
        for name in sorted(committed.keys() | generated.keys())
        for line in unified_diff(
            committed.get(name, "").splitlines(),
            generated.get(name, "").splitlines(),
            f"committed/{name}",
            f"generated/{name}",
            lineterm="",
        )
    ]


def report(difference: list[str], *, command: str) -> int:
    """Print the difference and the `command` that removes it; return the exit status."""
    if not difference:
        return 0
    sys.stderr.write("\n".join([*difference, "", f"Out of date; run: {command}", ""]))
    return 1
