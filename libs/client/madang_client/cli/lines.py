"""Events as lines for a terminal."""

from collections.abc import Callable
from datetime import datetime

from madang_client.cli.names import listed, quoted
from madang_client.cli.plain import plain, plain_lines
from madang_client.event import Event

_SENTENCES: dict[str, Callable[[Event], str]] = {
    "member.joined": lambda event: f"{_whom(event)} joined",
    "member.left": lambda event: f"{_whom(event)} left",
    "member.removed": lambda event: f"{_whom(event)} was removed by {_who(event)}",
    "member.banned": lambda event: f"{_whom(event)} was banned by {_who(event)}",
    "member.unbanned": lambda event: f"{_who(event)} lets {_whom(event)} in again",
    "member.role_changed": lambda event: f"{_who(event)} made {_whom(event)} {_role(event)}",
    "room.created": lambda event: f"{_who(event)} created the room",
    "room.updated": lambda event: f"the room is now called {quoted(str(event.data.get('name')))}",
    "room.archived": lambda event: f"{_who(event)} archived the room",
}


def event_line(event: Event, today: datetime) -> str:
    """Return the line or lines for `event`; `today` has the time zone for its time."""
    when = f"[{_clock(event.at, today)}]"
    missed = " (missed)" if event.missed else ""
    if event.kind == "message.created":
        words = plain_lines(event.text).replace("\n", "\n    ")
        return f"{when}{missed} {listed(event.sender_name)}: {words}"
    describe = _SENTENCES.get(event.kind)
    sentence = describe(event) if describe else f"{_who(event)}: {plain(event.kind)}"
    return f"{when}{missed} * {sentence}"


def _who(event: Event) -> str:
    """Return the name of the sender."""
    return quoted(event.sender_name)


def _whom(event: Event) -> str:
    """Return the name or id of the user that an event is about, else the sender."""
    user = event.data.get("user")
    known = event.data.get("name") or (event.sender_name if user == event.sender else user)
    return quoted(str(known or event.sender_name))


def _role(event: Event) -> str:
    role = plain(str(event.data.get("role")))
    return f"an {role}" if role == "owner" else f"a {role}"


def _clock(at: str, today: datetime) -> str:
    try:
        when = datetime.fromisoformat(at).astimezone(today.tzinfo)
    except ValueError:
        return plain(at)
    return when.strftime("%H:%M:%S" if when.date() == today.date() else "%Y-%m-%d %H:%M")
