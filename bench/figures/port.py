"""What a figure is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from bench.deadline import Deadline
from bench.figures.scale import Scale
from bench.machine import Cores
from bench.sides.port import Side

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
    parts_busy: dict[str, float] = field(default_factory=dict)
    """Share of a core that each of the server's processes used."""


@dataclass(frozen=True, slots=True)
class Result:
    """One figure, of each side that was measured."""

    figure: str
    label: str
    unit: str
    more_is_better: bool
    turns: dict[str, list[Turn]]
    """By the side's name, in the order measured."""
    notes: list[str] = field(default_factory=list)

    def value(self, side: str) -> float:
        """Return the median of the side's turns."""
        return median(turn.value for turn in self.turns[side])

    def ratio(self, side: str) -> float | None:
        """Return how many times better Madang is than `side`, if both were measured."""
        if side == MEASURED or not {MEASURED, side} <= self.turns.keys():
            return None
        ours, theirs = self.value(MEASURED), self.value(side)
        return ours / theirs if self.more_is_better else theirs / ours


class Figure(Protocol):
    """Measures one figure."""

    def __call__(
        self, sides: Sequence[Side], scale: Scale, cores: Cores, deadline: Deadline
    ) -> Result:
        """Start the sides' servers, measure, and stop them."""
        ...
