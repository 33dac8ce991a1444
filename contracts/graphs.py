"""Writes the import graph of each distribution into docs/architecture.md.

python -m contracts.graphs [--check]
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

from contracts.diff import diff, report

ROOT = Path(__file__).parents[1]
_PAGE = "docs/architecture.md"
_BLOCK = re.compile(r"(<!-- graph:(\w+) -->\n).*?(<!-- /graph -->\n)", re.DOTALL)
"""A graph on the page, between its markers; the first names the distribution."""
_LEFT_OUT = {"__main__", "wiring"}
"""Modules that import nearly all others and that none imports."""


def main() -> int:
    """Write the graphs into the page, or with `--check` compare them; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m contracts.graphs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a diff")
    page = (ROOT / _PAGE).read_text(encoding="utf-8")
    generated = with_graphs(page)
    if parser.parse_args().check:
        return report(diff({_PAGE: page}, {_PAGE: generated}), command="make graphs")
    (ROOT / _PAGE).write_text(generated, encoding="utf-8")
    return 0


def with_graphs(page: str) -> str:
    """Return `page` with a new graph between each pair of markers."""
    graph = grimp.build_graph(*sorted({f"madang_{found[2]}" for found in _BLOCK.finditer(page)}))
    return _BLOCK.sub(
        lambda found: f"{found[1]}{mermaid(graph, f'madang_{found[2]}')}{found[3]}", page
    )


def mermaid(graph: grimp.ImportGraph, root: str) -> str:
    """Return the imports between the packages and modules directly below `root`, as Mermaid."""
    return "\n".join(["```mermaid", "flowchart TD", *_lines(graph, root), "```", ""])


def _lines(graph: grimp.ImportGraph, root: str) -> Iterator[str]:
    """Yield a line for each package and module: what it imports."""
    names = sorted(child.removeprefix(f"{root}.") for child in graph.find_children(root))
    nodes = [name for name in names if name not in _LEFT_OUT]
    for name in nodes:
        importer = f"{root}.{name}"
        imports = [
            other
            for other in nodes
            if other != name
            and graph.direct_import_exists(
                importer=importer, imported=f"{root}.{other}", as_packages=True
            )
        ]
        # A package is a box, a single module is rounded.
        shape = f"{name}[{name}]" if graph.find_children(importer) else f"{name}({name})"
        yield f"    {shape}{' --> ' + ' & '.join(imports) if imports else ''}"


if __name__ == "__main__":
    sys.exit(main())
