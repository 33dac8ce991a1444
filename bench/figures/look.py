"""Resources used and frames counted between two moments."""

from dataclasses import dataclass
from typing import Self

from bench.figures.port import Run
from bench.load.generator import Generator, Reading
from bench.machine import Cores, core_seconds
from bench.server import Server


@dataclass(frozen=True, slots=True)
class Look:
    """Totals of the server, the generator and the server's core at one moment."""

    load: Reading
    server_seconds: dict[str, float]
    core_seconds: float

    @classmethod
    def at(cls, server: Server, generator: Generator, cores: Cores) -> Self:
        return cls(generator.read(), server.cpu_seconds(), core_seconds(cores.server))


def between(first: Look, last: Look, hands: int) -> Run:
    """Return the run between two looks; the generator could use `hands` cores."""
    seconds = last.load.at - first.load.at
    seen = last.load.seen - first.load.seen
    used = {name: now - first.server_seconds[name] for name, now in last.server_seconds.items()}
    server_busy = sum(used.values()) / seconds
    core_busy = (last.core_seconds - first.core_seconds) / seconds
    return Run(
        value=seen / seconds,
        server_busy=server_busy,
        others_busy=max(0.0, core_busy - server_busy),
        generator_busy=(last.load.cpu_seconds - first.load.cpu_seconds) / seconds / hands,
        parts_busy={name: each / seconds for name, each in used.items()} if len(used) > 1 else {},
        microseconds=next(iter(used.values())) * 1e6 / seen if seen else None,
    )
