"""The port of a figure, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from bench.deadline import Deadline
from bench.figures.scale import Scale
from bench.machine import Cores
from bench.targets.port import Target

MEASURED = "madang"
"""The target that all others are compared with."""


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one target in one run."""

    value: float
    server_busy: float | None = None
    """Share of its core that the server used."""
    others_busy: float | None = None
    """Share of the server's core that other processes used."""
    generator_busy: float | None = None
    """Share of its cores and processes that the load generator used."""
    parts_busy: Mapping[str, float] = field(default_factory=dict)
    """Share of a core that each of the server's processes used."""
    microseconds: float | None = None
    """Processor time of the process with the connections, for each frame that was counted."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal for Madang: a value, or a multiple of another target's value."""

    bound: float
    peer: str | None = None
    """The other target, if `bound` is a multiple of its value."""
    target: str = MEASURED
    """The form of Madang that must reach it."""


@dataclass(frozen=True, slots=True)
class Result:
    """One figure, of each target that was measured."""

    figure: str
    label: str
    unit: str
    more_is_better: bool
    runs: Mapping[str, Sequence[Run]]
    """By the target's name, or by the point of a curve, in the order measured."""
    titles: Mapping[str, str]
    """Their titles."""
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = ()

    def value(self, target: str) -> float:
        """Return the median of the target's runs."""
        return median(run.value for run in self.runs[target])

    def microseconds(self, target: str) -> float | None:
        """Return the same of the processor time for each frame."""
        measured = [t.microseconds for t in self.runs[target] if t.microseconds is not None]
        return median(measured) if measured else None

    def ratio(self, target: str) -> float | None:
        """Return how many times better Madang is than `target`, if both were measured."""
        if target == MEASURED or not {MEASURED, target} <= self.runs.keys():
            return None
        ours, theirs = self.value(MEASURED), self.value(target)
        return ours / theirs if self.more_is_better else theirs / ours

    def reaches(self, goal: Goal) -> bool | None:
        """Return whether `goal` is reached; None if one of its targets was not measured."""
        if goal.target not in self.runs or (goal.peer and goal.peer not in self.runs):
            return None
        bound = goal.bound * (self.value(goal.peer) if goal.peer else 1)
        value = self.value(goal.target)
        return value >= bound if self.more_is_better else value <= bound


class Figure(Protocol):
    """Measures one figure."""

    def __call__(
        self, targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
    ) -> Sequence[Result]:
        """Start the targets' servers, measure, and stop them."""
        ...


def titles_of(targets: Sequence[Target]) -> dict[str, str]:
    """Return the targets' titles."""
    return {target.name: target.title for target in targets}
