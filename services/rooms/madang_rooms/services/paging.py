"""Pages of a list, by opaque cursor."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from madang_common.problems import InvalidRequest

Item = TypeVar("Item")
Row = TypeVar("Row")

MOST_ITEMS = 100
_CURSOR_LENGTH = 128

Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description="Most items on the page.")]
Cursor = Annotated[
    str | None, Query(max_length=_CURSOR_LENGTH, description="`next` of the previous page.")
]


class Page(BaseModel, Generic[Item]):
    """A page of a list, and the cursor of the next page."""

    items: list[Item]
    next: str | None = None


def read_cursor(cursor: str | None) -> str | None:
    """Return the key of the previous page's last item; raise InvalidRequest."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode(
            "ascii"
        )
    except (binascii.Error, UnicodeError) as error:
        raise InvalidRequest("Unknown cursor; use `next` of the previous page.") from error


def write_cursor(key: str) -> str:
    """Return the cursor of the page after the item with `key`."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def page(
    rows: Sequence[Row], limit: int, key: Callable[[Row], str], view: Callable[[Row], Item]
) -> Page[Item]:
    """Return the page of the first `limit` rows; one more row means that there is a next page."""
    shown = rows[:limit]
    cursor = write_cursor(key(shown[-1])) if len(rows) > limit else None
    return Page(items=[view(row) for row in shown], next=cursor)
