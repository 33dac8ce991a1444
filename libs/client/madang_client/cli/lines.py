"""How an event reads in a terminal."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from madang_client.cli.plain import plain, plain_lines
from madang_client.event import Event

_HAPPENED: dict[str, Callable[[Event], str]] = {
    "member.joined": lambda event: f"{_name(event.data, event)} joined",
    "member.left": lambda event: f"{_name(event.data, event)} left",
    "member.removed": lambda event: f"{_name(event.data)} was removed by {event.sender_name}",
    "member.banned": lambda event: f"{_name(event.data)} was banned by {event.sender_name}",
    "member.unbanned": lambda event: f"{event.sender_name} lets {_name(event.data)} in again",
    "member.role_changed": lambda event: (
        f"{event.sender_name} made {_name(event.data)} a {event.data.get('role')}"
    ),
    "room.created": lambda event: f"{event.sender_name} made the room",
    "room.updated": lambda event: f"the room is now called {event.data.get('name')}",
    "room.archived": lambda event: f"{event.sender_name} archived the room",
}


def event_line(event: Event, today: datetime) -> str:
    """Return the line, or lines, that tell of `event`; `today` has the zone to tell times in."""
    when = f"[{_clock(event.at, today)}]"
    missed = " (missed)" if event.missed else ""
    if event.kind == "message.created":
        words = plain_lines(event.text).replace("\n", "\n    ")
        return f"{when}{missed} {plain(event.sender_name)}: {words}"
    tell = _HAPPENED.get(event.kind)
    happened = tell(event) if tell else f"{event.sender_name}: {event.kind}"
    return f"{when}{missed} * {plain(happened)}"


def _name(data: Mapping[str, Any], event: Event | None = None) -> str:
    """Return the name of the user that `data` is about."""
    return str(data.get("name") or (event and event.sender_name) or data.get("user"))


def _clock(at: str, today: datetime) -> str:
    try:
        when = datetime.fromisoformat(at).astimezone(today.tzinfo)
    except ValueError:
        return plain(at)
    return when.strftime("%H:%M:%S" if when.date() == today.date() else "%Y-%m-%d %H:%M")
