"""What a figure is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from bench.deadline import Deadline
from bench.figures.scale import Scale
from bench.machine import Cores
from bench.targets.port import Side

MEASURED = "madang"
"""The side that the others are compared with."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side did in one turn."""

    value: float
    server_busy: float | None = None
    """Share of its core that the server used."""
    others_busy: float | None = None
    """Share of the server's core that somebody else took away."""
    generator_busy: float | None = None
    """Share of what its cores and processes could do that the load generator used."""
    parts_busy: Mapping[str, float] = field(default_factory=dict)
    """Share of a core that each of the server's processes used."""
    microseconds: float | None = None
    """Processor time of the process with the connections, for each frame that was counted."""


@dataclass(frozen=True, slots=True)
class Target:
    """What Madang is to reach: a value, or so many times what another side does."""

    bound: float
    peer: str | None = None
    """The other side, if `bound` is a multiple of its value."""
    side: str = MEASURED
    """The form of Madang that must reach it."""


@dataclass(frozen=True, slots=True)
class Result:
    """One figure, of each side that was measured."""

    figure: str
    label: str
    unit: str
    more_is_better: bool
    turns: Mapping[str, Sequence[Turn]]
    """By the side's name, or by the point of a curve, in the order measured."""
    titles: Mapping[str, str]
    """What these are called."""
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()

    def value(self, side: str) -> float:
        """Return the median of the side's turns."""
        return median(turn.value for turn in self.turns[side])

    def microseconds(self, side: str) -> float | None:
        """Return the same of the processor time for each frame."""
        measured = [t.microseconds for t in self.turns[side] if t.microseconds is not None]
        return median(measured) if measured else None

    def ratio(self, side: str) -> float | None:
        """Return how many times better Madang is than `side`, if both were measured."""
        if side == MEASURED or not {MEASURED, side} <= self.turns.keys():
            return None
        ours, theirs = self.value(MEASURED), self.value(side)
        return ours / theirs if self.more_is_better else theirs / ours

    def reaches(self, target: Target) -> bool | None:
        """Return whether `target` is reached; None if what it speaks of was not measured."""
        if target.side not in self.turns or (target.peer and target.peer not in self.turns):
            return None
        bound = target.bound * (self.value(target.peer) if target.peer else 1)
        value = self.value(target.side)
        return value >= bound if self.more_is_better else value <= bound


class Figure(Protocol):
    """Measures one figure."""

    def __call__(
        self, sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline
    ) -> Sequence[Result]:
        """Start the sides' servers, measure, and stop them."""
        ...


def titles_of(sides: Sequence[Side]) -> dict[str, str]:
    """Return what the sides are called."""
    return {side.name: side.title for side in sides}
