"""The command line."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import structlog

from bench import machine
from bench.catalogue import FIGURES, TARGETS
from bench.deadline import Deadline
from bench.failure import BenchError
from bench.figures.port import Result
from bench.figures.scale import FULL, SHORT
from bench.markdown import as_markdown, put_into
from bench.report import as_json, as_table

_SPARE_FILES = 500


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return the exit status."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _end)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    scale = SHORT if options.short else FULL
    cores = machine.share_cores()
    os.sched_setaffinity(0, cores.generator)
    if not cores.apart:
        print("one core for server and generator: the figures are too low", file=sys.stderr)
    try:
        machine.allow_open_files(scale.connections + scale.warm_up_connections + _SPARE_FILES)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    results: list[Result] = []
    failed = False
    for name in options.figures:
        print(f"measuring {name}", file=sys.stderr)
        measure, of = FIGURES[name]
        targets = [TARGETS[target] for target in ([options.server] if options.server else of)]
        try:
            results += measure(targets, scale, cores, Deadline(scale.figure_seconds))
        except BenchError as error:
            print(f"bench: no {name}: {error}", file=sys.stderr)
            failed = True
    about = machine.describe(cores, Path(tempfile.gettempdir()))
    if options.into:
        put_into(options.into, as_markdown(results, about))
    else:
        print(options.form(results, about))
    return 1 if failed else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Madang beside other chats."
    )
    known = ", ".join(FIGURES)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"only these of {known}")
    parser.add_argument("--server", choices=TARGETS, help="only this target; no ratios then")
    parser.add_argument("--short", action="store_true", help="seconds, to see that it works")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", dest="form", action="store_const", const=as_json, help="every run, for machines"
    )
    form.add_argument(
        "--markdown", dest="form", action="store_const", const=as_markdown, help="for the docs"
    )
    form.add_argument(
        "--into", type=Path, metavar="PAGE", help="put that into a page, in place of the last run"
    )
    parser.set_defaults(form=as_table)
    options = parser.parse_args(arguments)
    unknown = [name for name in options.figures if name not in FIGURES]
    if unknown:
        parser.error(f"{unknown[0]} is none of {known}")
    options.figures = options.figures or list(FIGURES)
    return options


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exit that stops the servers on its way."""
    print("bench: told to end", file=sys.stderr)
    sys.exit(143)
