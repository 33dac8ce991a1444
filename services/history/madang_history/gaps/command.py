"""`madang-history gaps`: print which positions of the log history never got."""

from madang_common.log.position import position, to_id
from madang_history.gaps.missing import Missing, find_missing
from madang_history.store.port import ProgressStore

_COLUMNS = ("EPOCH", "SHARD", "FIRST", "LAST", "BATCHES", "FOUND")
_NOTHING = "-"


async def show(store: ProgressStore) -> list[str]:
    """Return a table of what is missing, in the order of the log; empty if nothing is."""
    rows = [_row(missing) for missing in await find_missing(store)]
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_COLUMNS, *rows)
    ]


def _row(missing: Missing) -> tuple[str, ...]:
    last = to_id(position(missing.after, 0) - 1) if missing.batches else _NOTHING
    return (
        str(missing.epoch),
        str(missing.shard),
        to_id(position(missing.first, 0)),
        f"{last} or later" if missing.is_open else last,
        f"at least {missing.batches}" if missing.is_open else str(missing.batches),
        _NOTHING if missing.at is None else missing.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
