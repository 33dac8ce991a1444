"""A page of a room's history."""

from dataclasses import dataclass
from typing import Any

from madang_client.errors import ProtocolError
from madang_client.event import Event, read_event


@dataclass(frozen=True, slots=True)
class Page:
    """Events, oldest first, with cursors."""

    items: tuple[Event, ...]
    before: str | None
    """`before` of the request for older events; None if there are none."""
    after: str | None
    """`after` of the request for newer events."""


def read_page(document: Any) -> Page:
    """Return the page in a response."""
    try:
        items = tuple(read_event(item) for item in document["items"])
        return Page(items, before=document.get("before"), after=document.get("after"))
    except (KeyError, TypeError, AttributeError) as error:
        raise ProtocolError("the server's response is not a page of events") from error
