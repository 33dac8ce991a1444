"""What a verification found; no I/O."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """How the store differs from the log."""

    MISSING = "missing"
    """The log has the event, and it is not stored."""
    DIFFERENT = "different"
    """The stored event is not the log's, or it is stored at the position of a repetition."""
    REPEATED = "repeated"
    """The event is stored twice, as often as it was appended."""
    UNKNOWN = "unknown"
    """The log has no event at the position of the stored one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One faulty event."""

    fault: Fault
    epoch: int
    shard: int
    audience: str
    position: int
    key: str


@dataclass(slots=True)
class ShardReport:
    """The result for one shard of one epoch."""

    epoch: int
    shard: int
    first: int
    """The first offset that was compared."""
    after: int
    """The offset after the last one that was compared."""
    events: int = 0
    """Events of the log that were compared."""
    repetitions: int = 0
    """Events that a publisher appended again; they are rightly not stored."""
    excluded: int = 0
    """Messages that followed the end of their sender's membership; rightly not stored."""
    dead_letters: int = 0
    """Lines that cannot be stored as events."""
    unsure: int = 0
    """Messages that are not stored, perhaps because of a departure that the log has dropped."""
    dropped: int = 0
    """Offsets that the log dropped meanwhile, which were not compared."""
    is_lost: bool = False
    """Whether the log of this shard was lost in an earlier epoch, so that nothing is compared."""
    faults: Counter[Fault] = field(default_factory=Counter)


@dataclass(slots=True)
class Report:
    """The result; `findings` has at most as many as wanted."""

    most: int
    shards: list[ShardReport] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding, shard: ShardReport) -> None:
        """Count `finding`, and list it if there is space."""
        shard.faults[finding.fault] += 1
        if len(self.findings) < self.most:
            self.findings.append(finding)

    @property
    def events(self) -> int:
        """The number of events of the log that were compared."""
        return sum(shard.events for shard in self.shards)

    @property
    def faults(self) -> int:
        """The number of faults, listed or not."""
        return sum(shard.faults.total() for shard in self.shards)
