"""The request to an attacker process, and its report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import orjson
from typing_extensions import override

OPEN = "open"
"""How a connection ended that the product did not end."""
GONE = "gone"
"""A connection closed without a close code."""


@dataclass(frozen=True)
class AttackRequest:
    """One attack; an attack uses the fields that it needs."""

    attack: str
    """Its name in `tests.attacks.floods`; of several, with commas, connections take one each."""
    url: str
    """The product's WebSocket."""
    seconds: float
    connections: int = 4
    bytes_per_second: int = 6_000_000
    """Most that all connections send together."""
    token: str = ""
    """The attacker's own, if it logs in."""
    rooms: Sequence[str] = ()
    """Rooms that the attacker is a member of."""
    since: Sequence[str] = ()
    """Ids of events in the first room after which the attacker resumes."""

    def line(self) -> bytes:
        """Return the request as a line of JSON."""
        return orjson.dumps(vars(self)) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Return the request behind a line."""
        return cls(**orjson.loads(line))


@dataclass
class Report:
    """The report of an attacker."""

    ends: Counter[str] = field(default_factory=Counter)
    """How its connections ended: the close code and its reason, or one of the above."""
    accepted: int = 0
    """Bytes that the product accepted, including the sockets' buffers."""
    late_per_second: float = 0.0
    """Bytes per second that were taken in the second half of the attack, all connections."""
    received: int = 0
    """Bytes that the product sent."""

    @property
    def closed(self) -> int:
        """Connections that the product ended."""
        return sum(self.ends.values()) - self.ends[OPEN]

    def closed_with(self, code: int) -> int:
        """Return how many connections the product closed with that code."""
        return sum(count for end, count in self.ends.items() if end.startswith(f"{code} "))

    def line(self) -> bytes:
        """Return the report as a line of JSON."""
        return orjson.dumps(vars(self)) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Return the report behind a line."""
        report = cls(**orjson.loads(line))
        report.ends = Counter(report.ends)
        return report

    @override
    def __str__(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in self.ends.most_common())
        return f"attacker: {ends}; {self.late_per_second / 1000:.0f} kB/s taken at the end"
