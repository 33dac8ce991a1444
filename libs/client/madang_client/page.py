"""A page of a room's history."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from madang_client.errors import ProtocolError
from madang_client.event import Event

Item = TypeVar("Item", default=Event)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Events, or messages, oldest first, with cursors."""

    items: tuple[Item, ...]
    before: str | None
    """`before` of the request for older items; None if there are none."""
    after: str | None
    """`after` of the request for newer items."""


def read_page(document: Any, read: Callable[[Any], Item]) -> Page[Item]:
    """Return the page in a response, with its items read by `read`."""
    try:
        items = tuple(read(item) for item in document["items"])
        return Page(items, before=document.get("before"), after=document.get("after"))
    except (KeyError, TypeError, AttributeError) as error:
        raise ProtocolError("the server's response is not a page") from error
