"""The figures as they stand in docs/performance.md."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.figures.port import MEASURED, Result
from bench.report import doubts, goal_of, number, ratio

_BEGIN = "<!-- figures: written by `python -m bench --into docs/performance.md` -->"
_END = "<!-- end of figures -->"


def as_markdown(results: Sequence[Result], machine: Mapping[str, object]) -> str:
    """Return a table of goals, then a table for each figure."""
    day = datetime.now(UTC).date().isoformat()
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())
    lines = [f"Measured on {day}: {told}.", "", *_table(_targets(results))]
    for result in results:
        lines += ["", f"**{result.label}**", "", *_table(_values(result))]
        if said := [*result.notes, *doubts(result)]:
            lines += ["", *(f"- {line}" for line in said)]
    return "\n".join(lines)


def put_into(page: Path, figures: str) -> None:
    """Replace the text between a page's marks."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{page} has no {_BEGIN} or no {_END}")
    text = f"{before}{begin}\n{figures}\n{end}{after}"
    page.write_text(text, encoding="utf-8")


def _targets(results: Sequence[Result]) -> Iterator[Sequence[str]]:
    yield "figure", "Madang", "to reach", "reached"
    words = {True: "yes", False: "**no**", None: "not measured"}
    for result in results:
        for goal in result.goals:
            measured = goal.target in result.runs
            value = f"{number(result.value(goal.target))} {result.unit}" if measured else ""
            wanted = goal_of(result, goal)
            yield result.label, value, wanted, words[result.reaches(goal)]


def _values(result: Result) -> Iterator[Sequence[str]]:
    costs = {name: result.microseconds(name) for name in result.runs}
    compared = MEASURED in result.runs and len(result.runs) > 1
    head = ["", result.unit, "Madang is", "µs of its main process for each"]
    wanted = [True, True, compared, any(costs.values())]
    rows = [
        [
            result.titles.get(name, name),
            number(result.value(name)),
            ratio(result, name),
            f"{cost:.2f}" if (cost := costs[name]) else "",
        ]
        for name in result.runs
    ]
    for row in (head, *rows):
        yield [cell for cell, told in zip(row, wanted, strict=True) if told]


def _table(rows: Iterator[Sequence[str]]) -> list[str]:
    head, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return [head, "|" + " --- |" * (head.count("|") - 1), *rest]
