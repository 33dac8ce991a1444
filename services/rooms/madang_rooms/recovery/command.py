"""The command `compare`, shared by rooms and the standalone form.

It exits with 0 if the database and the log agree or were made to agree, with 1 if they differ, and
with 2 if it could not compare them.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from typing import Any, TypeVar

import orjson

from madang_common.arguments import whole_number
from madang_common.commands import result_of
from madang_common.log.port import LogError
from madang_common.log.position import MAX_EPOCH
from madang_common.problems import Problem
from madang_common.settings import CommonSettings
from madang_rooms.recovery.differences import Difference, Lost, Value
from madang_rooms.recovery.recovery import Recovery, Report

S = TypeVar("S", bound=CommonSettings)
Open = Callable[[S], AbstractAsyncContextManager[Recovery]]

_DIFFERENT = 1
_FAILED = 2
_HELP = "compare the database of rooms with the log's events, after it was restored from a copy"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `compare` to `commands`."""
    compare = commands.add_parser("compare", help=_HELP, description=f"{_HELP}.".capitalize())
    compare.add_argument(
        "--repair", action="store_true", help="change the database to what the log says"
    )
    compare.add_argument(
        "--since-epoch",
        type=whole_number(0, MAX_EPOCH),
        metavar="EPOCH",
        help="also read the epochs of the log since this one, if nothing of them was lost"
        " (default: only the current one)",
    )
    compare.add_argument("--json", action="store_true", help="print one JSON object")


def run(
    name: str, read_settings: Callable[[], S], open_recovery: Open[S], arguments: argparse.Namespace
) -> None:
    """Run the parsed command for the program `name`, print the report and exit."""
    report = result_of(
        f"{name} compare",
        read_settings,
        lambda settings: _run(open_recovery(settings), arguments),
        (Problem, LogError),
        status=_FAILED,
    )
    sys.stdout.write(to_json(report) if arguments.json else "".join(lines(report)))
    if report.differences and not report.is_repaired:
        sys.exit(_DIFFERENT)


async def _run(
    opened: AbstractAsyncContextManager[Recovery], arguments: argparse.Namespace
) -> Report:
    async with opened as recovery:
        return await recovery.run(repair=arguments.repair, since_epoch=arguments.since_epoch)


def to_json(report: Report) -> str:
    """Return `report` as a line of JSON."""
    document: dict[str, Any] = {
        "events": report.events,
        "invalid_events": report.invalid_events,
        "differences": [asdict(difference) for difference in report.differences],
        "repaired": report.is_repaired,
        "lost": [asdict(lost) for lost in report.lost],
        "unmentioned": {
            "rooms": report.unmentioned_rooms,
            "members": report.unmentioned_members,
        },
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE).decode()


def lines(report: Report) -> Iterator[str]:
    """Yield `report` for people, a line per finding."""
    for difference in report.differences:
        in_log, stored = _text(difference.log), _text(difference.stored)
        yield f"{_place(difference)}: log {in_log}, database {stored}\n"
    for lost in report.lost:
        yield f"{_place(lost)}: lost: {lost.reason}\n"
    yield f"{report.events} events of rooms in the log"
    yield f", {report.invalid_events} of them unreadable\n" if report.invalid_events else "\n"
    yield (
        f"left alone, because the log does not mention them: {report.unmentioned_rooms} rooms,"
        f" {report.unmentioned_members} members of other rooms\n"
    )
    repaired = " (repaired)" if report.is_repaired and report.differences else ""
    yield f"differences: {len(report.differences)}{repaired}; lost: {len(report.lost)}\n"


def _place(finding: Difference | Lost) -> str:
    subject = f" {finding.subject}" if finding.subject else ""
    return f"{finding.room}  {finding.part}{subject}"


def _text(value: Value) -> str:
    if isinstance(value, str):
        # A name may contain what a terminal interprets, and quotes show where it ends.
        return repr(str(value))
    return "-" if value is None else str(value).lower()
