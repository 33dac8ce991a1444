"""A page of a room's history."""

from dataclasses import dataclass
from typing import Any

from madang_client.errors import ProtocolError
from madang_client.event import Event, read_event


@dataclass(frozen=True, slots=True)
class Page:
    """Events, oldest first, and how to go on from both ends."""

    items: tuple[Event, ...]
    before: str | None
    """What to give as `before` for the page with older events; None at the beginning."""
    after: str | None
    """What to give as `after` for the page with newer events."""


def read_page(document: Any) -> Page:
    """Return the page in an answer."""
    try:
        items = tuple(read_event(item) for item in document["items"])
        return Page(items, before=document.get("before"), after=document.get("after"))
    except (KeyError, TypeError, AttributeError) as error:
        raise ProtocolError("the server's answer is no page of events") from error
