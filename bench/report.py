"""The figures as a table, and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bench.figures.port import Result, Turn
from bench.sides.port import Side

_MUCH_TAKEN = 0.15
_NEARLY_ALL = 0.9
_SHARES = {
    "server's core: used by the server": "server_busy",
    "server's core: used by others": "others_busy",
    "load generator's cores: used by it": "generator_busy",
}


def as_table(
    results: Sequence[Result], sides: Sequence[Side], machine: Mapping[str, object]
) -> str:
    """Return what a reader sees."""
    titles = {side.name: side.title for side in sides}
    rows = [["figure", *titles.values()]]
    for result in results:
        values = [f"{result.value(name):,.0f}" for name in titles]
        rows.append([result.label, *values])
        if any(result.ratio(name) for name in titles):
            rows.append(["  Madang is", *(_ratio(result, name) for name in titles)])
        for label, of in _SHARES.items():
            shares = [_share(result.turns[name], of) for name in titles]
            if any(shares):
                rows.append([f"  {label}", *shares])
        rows.extend(_parts(result, titles))
    notes = [note for result in results for note in result.notes + _doubts(result)]
    told = [f"{name.replace('_', ' ')}: {value}" for name, value in machine.items()]
    return "\n".join([*_columns(rows), "", *notes, "", *told])


def as_json(results: Sequence[Result], machine: Mapping[str, object]) -> str:
    """Return everything that was measured."""
    figures = []
    for result in results:
        figure = asdict(result)
        figure["values"] = {name: result.value(name) for name in result.turns}
        figure["ratios"] = {name: result.ratio(name) for name in result.turns}
        figures.append(figure)
    return json.dumps({"machine": machine, "figures": figures}, indent=2)


def _ratio(result: Result, side: str) -> str:
    ratio = result.ratio(side)
    if ratio is None:
        return ""
    if result.more_is_better:
        return f"{ratio:.1f} x"
    return f"{ratio:.1f} x less" if ratio >= 1 else f"{1 / ratio:.1f} x more"


def _doubts(result: Result) -> list[str]:
    """Return why the figure may be too low."""
    turns = [turn for side in result.turns.values() for turn in side]
    doubts = []
    if any((turn.others_busy or 0) > _MUCH_TAKEN for turn in turns):
        doubts.append(f"{result.figure}: DOUBTFUL, others used the server's core: measure again")
    if any((turn.generator_busy or 0) > _NEARLY_ALL for turn in turns):
        doubts.append(f"{result.figure}: DOUBTFUL, the load generator may have been the limit")
    return doubts


def _parts(result: Result, titles: Mapping[str, str]) -> list[list[str]]:
    """Return how much of a core each process used, where a server is more than one."""
    busy = {name: result.turns[name][-1].parts_busy for name in titles}
    parts = dict.fromkeys(part for of_side in busy.values() for part in of_side)
    return [
        [f"  of it the {part}", *(f"{b[part]:.0%}" if part in b else "" for b in busy.values())]
        for part in parts
    ]


def _share(turns: Sequence[Turn], of: str) -> str:
    """Return the highest share of the turns."""
    shares = [share for turn in turns if (share := getattr(turn, of)) is not None]
    return f"{max(shares):.0%}" if shares else ""


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the first column left and the others right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = row
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]).rstrip())
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return lines
