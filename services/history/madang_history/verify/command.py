"""The command `verify`, shared by history and the standalone form.

It exits with 0 if the store agrees with the log, with 1 if it has faults, and with 2 if it could
not be verified.
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
from madang_common.events.envelope import room_audience
from madang_common.log.port import Log, LogError, OlderLogs
from madang_common.log.position import position, to_id
from madang_common.settings import CannotStart, CommonSettings
from madang_history.store.port import MessageStore, StoreError
from madang_history.verify.findings import Finding, Report, ShardReport
from madang_history.verify.verify import verify

S = TypeVar("S", bound=CommonSettings)
Sources = tuple[Log, OlderLogs, MessageStore]
Open = Callable[[S], AbstractAsyncContextManager[Sources]]

_MOST_FAULTS = 1_000_000
_FAULTY = 1
_FAILED = 2
_HELP = "compare the stored events with the log, where it still has them"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `verify` to `commands`."""
    parser = commands.add_parser("verify", help=_HELP, description=f"{_HELP}.".capitalize())
    parser.add_argument("--room", help="only the events of this room")
    parser.add_argument(
        "--most",
        type=whole_number(0, _MOST_FAULTS),
        default=1000,
        help="most faults to list (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(
    name: str, read_settings: Callable[[], S], open_sources: Open[S], arguments: argparse.Namespace
) -> None:
    """Run the parsed command for the program `name`, print the report and exit."""
    report = result_of(
        f"{name} verify",
        read_settings,
        lambda settings: _run(open_sources(settings), arguments),
        (StoreError, LogError),
        status=_FAILED,
    )
    sys.stdout.write(to_json(report) if arguments.json else "".join(lines(report)))
    if report.faults:
        sys.exit(_FAULTY)


async def _run(
    opened: AbstractAsyncContextManager[Sources], arguments: argparse.Namespace
) -> Report:
    only = None if arguments.room is None else room_audience(arguments.room)
    async with opened as (chat_log, older_logs, store):
        report = await verify(chat_log, older_logs, store, only=only, most=arguments.most)
        is_known = only is None or report.events or await store.before(only, None, 1)
    if not is_known:
        raise CannotStart(f"neither the store nor the log has an event of room {arguments.room!r}")
    return report


def to_json(report: Report) -> str:
    """Return `report` as a line of JSON."""
    document: dict[str, Any] = {
        "faults": report.faults,
        "shards": [
            asdict(shard)
            | {
                "first": _start_id(shard.first),
                "after": _start_id(shard.after),
                "faults": {fault.value: number for fault, number in shard.faults.items()},
            }
            for shard in report.shards
        ],
        "findings": [
            asdict(finding) | {"position": to_id(finding.position)} for finding in report.findings
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE).decode()


def lines(report: Report) -> Iterator[str]:
    """Yield `report` for people: a line per finding and per shard, then the number of faults."""
    for finding in report.findings:
        yield f"{_text(finding)}\n"
    if report.faults > len(report.findings):
        yield f"… and {report.faults - len(report.findings)} more\n"
    for shard in report.shards:
        yield f"{_summary(shard)}\n"
    yield f"faults: {report.faults}\n"


def _text(finding: Finding) -> str:
    # An audience or a key may contain what a terminal interprets.
    return (
        f"{finding.fault}  {finding.audience!r} {to_id(finding.position)}  key {finding.key!r}"
        f"  (epoch {finding.epoch}, shard {finding.shard})"
    )


def _summary(shard: ShardReport) -> str:
    if shard.is_lost:
        return f"epoch {shard.epoch} shard {shard.shard}: not compared, its log does not exist"
    counts = {
        "repeated by publishers": shard.repetitions,
        "excluded": shard.excluded,
        "dead letters": shard.dead_letters,
        "unsure": shard.unsure,
        "dropped offsets": shard.dropped,
        **{f"{fault}": number for fault, number in shard.faults.items()},
    }
    told = "".join(f", {name}: {number}" for name, number in counts.items() if number)
    return (
        f"epoch {shard.epoch} shard {shard.shard}: {shard.events} events compared from"
        f" {_start_id(shard.first)} to before {_start_id(shard.after)}{told}"
    )


def _start_id(offset: int) -> str:
    return to_id(position(offset, 0))
