"""The figures as tables, and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bench.figures.port import MEASURED, Goal, Result

_MUCH_TAKEN = 0.15
_NEARLY_ALL = 0.9
_FINE_BELOW = 100


def as_table(results: Sequence[Result], machine: Mapping[str, object]) -> str:
    """Return the report as text."""
    lines: list[str] = []
    for result in results:
        said = [*goals(result), *result.notes, *doubts(result)]
        lines += [result.label, *_columns(_rows(result)), *(f"  {line}" for line in said), ""]
    told = [f"{name.replace('_', ' ')}: {value}" for name, value in machine.items()]
    return "\n".join([*lines, *told])


def as_json(results: Sequence[Result], machine: Mapping[str, object]) -> str:
    """Return everything that was measured."""
    figures = []
    for result in results:
        figure = asdict(result)
        figure["values"] = {name: result.value(name) for name in result.runs}
        figure["ratios"] = {name: result.ratio(name) for name in result.runs}
        figure["reached"] = [result.reaches(goal) for goal in result.goals]
        figures.append(figure)
    return json.dumps({"machine": machine, "figures": figures}, indent=2)


def number(value: float) -> str:
    """Return a value as people read it."""
    return f"{value:,.0f}" if value >= _FINE_BELOW else f"{value:.2f}"


def goals(result: Result) -> list[str]:
    """Return the goals, and whether each is reached."""
    words = {True: "reached", False: "MISSED"}
    return [
        f"goal: {goal_of(result, goal)}: {words[reached]}"
        for goal in result.goals
        if (reached := result.reaches(goal)) is not None
    ]


def goal_of(result: Result, goal: Goal) -> str:
    """Return the goal in words."""
    if goal.peer:
        return f"{goal.bound:g} x {result.titles.get(goal.peer, goal.peer)}"
    bound = f"{'at least' if result.more_is_better else 'at most'} {goal.bound:,g} {result.unit}"
    return bound if goal.target == MEASURED else f"{bound} ({result.titles.get(goal.target)})"


def ratio(result: Result, target: str) -> str:
    """Return how many times better Madang is than a target."""
    of = result.ratio(target)
    if of is None:
        return ""
    if result.more_is_better:
        return f"{of:.1f} x"
    return f"{of:.1f} x less" if of >= 1 else f"{1 / of:.1f} x more"


def doubts(result: Result) -> list[str]:
    """Return why the figure may be too low."""
    runs = [run for target in result.runs.values() for run in target]
    found = []
    if any((run.others_busy or 0) > _MUCH_TAKEN for run in runs):
        found.append("DOUBTFUL, others used the server's core: measure again")
    if any((run.generator_busy or 0) > _NEARLY_ALL for run in runs):
        found.append("DOUBTFUL, the load generator may have been the limit")
    return found


def _rows(result: Result) -> list[list[str]]:
    parts = dict.fromkeys(p for runs in result.runs.values() for t in runs for p in t.parts_busy)
    rows = [["", result.unit, "Madang is", "µs each", "server", *parts, "others", "generator"]]
    for name, runs in result.runs.items():
        cost = result.microseconds(name)
        rows.append(
            [
                result.titles.get(name, name),
                number(result.value(name)),
                ratio(result, name),
                "" if cost is None else f"{cost:.2f}",
                _share([run.server_busy for run in runs]),
                *(_share([run.parts_busy.get(part) for run in runs]) for part in parts),
                _share([run.others_busy for run in runs]),
                _share([run.generator_busy for run in runs]),
            ]
        )
    # A column that says nothing is left out.
    told = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return [list(row) for row in zip(*told, strict=True)]


def _share(shares: Sequence[float | None]) -> str:
    """Return the highest share of the runs."""
    known = [share for share in shares if share is not None]
    return f"{max(known):.0%}" if known else ""


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the first column left and the others right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = row
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([f"  {first:<{widths[0]}}", *cells]).rstrip())
    lines.insert(1, "  " + "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return lines
