"""Figures of phases, one JSON object a line, and the summary that is printed at the end."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Traffic:
    """What the clients of one phase sent and received."""

    sent: int = 0
    acknowledged: int = 0
    lost: int = 0
    """Acknowledged messages that some client or history does not have."""
    duplicates: int = 0
    out_of_order: int = 0
    longest_silence: float = 0.0
    """Longest time in seconds between two messages that a client received."""
    requests: int = 0
    """REST requests sent beside the messages."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failed REST requests by status or error."""


@dataclass
class Phase:
    """One phase, its duration and its traffic."""

    name: str
    seconds: float
    outcome: str
    traffic: Traffic | None = None


def append(phase: Phase) -> None:
    """Add a phase to the file that `K8S_FIGURES` names."""
    with Path(os.environ["K8S_FIGURES"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(phase)) + "\n")


def read(path: Path) -> list[Phase]:
    """Return the phases in the file."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        stored = json.loads(line)
        traffic = stored.pop("traffic")
        found.append(Phase(**stored, traffic=None if traffic is None else Traffic(**traffic)))
    return found


def summary(phases: list[Phase]) -> str:
    """Return a table of the phases."""
    titles = (
        *("seconds", "outcome", "sent", "acked", "lost", "twice", "order"),
        *("silence", "requests", "failed", "phase"),
    )
    rows = [titles, *(_row(phase) for phase in phases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles) - 1)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]))
    return "\n".join(lines)


def _row(phase: Phase) -> tuple[str, ...]:
    traffic = phase.traffic
    begin = (f"{phase.seconds:.1f}", phase.outcome)
    if traffic is None:
        return (*begin, *[""] * 8, phase.name)
    failed = sum(traffic.failures.values())
    kinds = ", ".join(f"{count} of {kind}" for kind, count in traffic.failures.items())
    return (
        *begin,
        *(str(traffic.sent), str(traffic.acknowledged), str(traffic.lost)),
        *(str(traffic.duplicates), str(traffic.out_of_order)),
        f"{traffic.longest_silence:.2f}",
        *(str(traffic.requests), f"{failed} ({kinds})" if failed else "0", phase.name),
    )
