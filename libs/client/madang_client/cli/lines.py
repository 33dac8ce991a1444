"""Events as lines for a terminal."""

from collections.abc import Callable
from datetime import datetime

from madang_client.cli.names import listed, quoted
from madang_client.cli.plain import plain, plain_lines
from madang_client.event import Event

_EXCERPT = 40
"""Most characters of a message in a line about it."""

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
_CHANGES: dict[str, Callable[[Event, str], str]] = {
    "message.edited": lambda event, about: f"{_who(event)} edited {about}{_new_text(event)}",
    "reaction.added": lambda event, about: f"{_who(event)} reacted {_emoji(event)} to {about}",
    "reaction.removed": lambda event, about: (
        f"{_who(event)} took {_emoji(event)} back from {about}"
    ),
    "message.pinned": lambda event, about: f"{_who(event)} pinned {about}",
    "message.unpinned": lambda event, about: f"{_who(event)} unpinned {about}",
}


def event_line(event: Event, today: datetime, about: Event | None = None) -> str:
    """Return the line or lines for `event`; `today` has the time zone for its time.

    `about` is the message that `event` changes or answers, if known.
    """
    start = f"[{_clock(event.at, today)}]{' (missed)' if event.missed else ''}"
    if event.kind == "message.created" and not event.data.get("redacted"):
        answering = f", answering {_excerpt(about)}" if event.data.get("reply_to") else ""
        return f"{start} {listed(event.sender_name)}{answering}: {_words(event.text)}"
    return f"{start} * {_sentence(event, today, about)}"


def _sentence(event: Event, today: datetime, about: Event | None) -> str:
    if event.kind == "message.created":
        return f"{_who(event)} sent a message that is deleted"
    if event.kind == "message.deleted":
        return f"{_who(event)} deleted {_deleted(about, today)}{_reason(event)}"
    if event.kind in _CHANGES:
        return _CHANGES[event.kind](event, _excerpt(about))
    describe = _SENTENCES.get(event.kind)
    return describe(event) if describe else f"{_who(event)}: {plain(event.kind)}"


def _words(text: str) -> str:
    return plain_lines(text).replace("\n", "\n    ")


def _excerpt(message: Event | None) -> str:
    """Return the beginning of a message, in quotes."""
    if message is None:
        return "an earlier message"
    first, *rest = message.text.strip().split("\n", 1)
    return quoted(f"{first[:_EXCERPT]}…" if rest or len(first) > _EXCERPT else first)


def _deleted(message: Event | None, today: datetime) -> str:
    """Describe a deleted message without its text."""
    if message is None:
        return "an earlier message"
    return f"the message of {_who(message)} at {_clock(message.at, today)}"


def _new_text(event: Event) -> str:
    return f": {_words(event.text)}" if event.text else ""


def _emoji(event: Event) -> str:
    return plain(str(event.data.get("emoji")))


def _reason(event: Event) -> str:
    reason = event.data.get("reason")
    return f": {plain(str(reason))}" if reason else ""


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
