"""The tables of values in the chart's README, from the comments in values.yaml."""

import re
from collections.abc import Iterator
from itertools import groupby

from contracts.chart.rendering import CHART
from contracts.chart.values import UndescribedValueError, Value, introductions, values

PAGE = "deploy/helm/madang/README.md"
VALUES = "deploy/helm/madang/values.yaml"
_BLOCK = re.compile(r"(<!-- values -->\n).*?(<!-- /values -->\n)", re.DOTALL)
_HEAD = "| value | default | meaning |\n| --- | --- | --- |\n"


class MissingMarkersError(Exception):
    """The page has no place for the tables."""


def readme(text: str) -> str:
    """Return the README of the chart with the values of values.yaml, whose content is `text`."""
    return with_values((CHART / "README.md").read_text(encoding="utf-8"), text)


def with_values(page: str, text: str) -> str:
    """Return `page` with tables of the values in `text` between its markers."""
    if _BLOCK.search(page) is None:
        raise MissingMarkersError(f"{PAGE} has no <!-- values --> and <!-- /values -->")
    tables = "\n".join(_sections(text))
    return _BLOCK.sub(lambda found: f"{found[1]}\n{tables}\n{found[2]}", page)


def _sections(text: str) -> Iterator[str]:
    """Yield a table for the single values at the top, then one with a heading for each map."""
    described = values(text)
    missing = [".".join(value.path) for value in described if not value.description]
    if missing:
        raise UndescribedValueError(f"values.yaml: no `# -- ` comment: {', '.join(missing)}")
    single = [value for value in described if len(value.path) == 1]
    yield _HEAD + "".join(map(_row, single))
    openings = introductions(text)
    nested = [value for value in described if len(value.path) > 1]
    for key, group in groupby(nested, key=lambda value: value.path[0]):
        opening = f"{openings[key]}\n\n" if openings[key] else ""
        yield f"### {key}\n\n{opening}{_HEAD}{''.join(map(_row, group))}"


def _row(value: Value) -> str:
    path = ".".join(value.path)
    return f"| `{path}` | `{_cell(value.default)}` | {_cell(value.description)} |\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
