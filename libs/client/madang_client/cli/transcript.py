"""The messages on the screen, for lines about changes of them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from madang_client.cli.lines import event_line
from madang_client.event import Event

_MOST = 1000


class Transcript:
    """The last messages shown, as they are now, without deleted ones."""

    def __init__(self) -> None:
        self._messages: dict[str, Event] = {}

    def line(self, event: Event, today: datetime) -> str:
        """Return the line or lines for `event`, the next one to show."""
        about = str(event.data.get("message") or event.data.get("reply_to") or "")
        shown = self._messages.get(about)
        line = event_line(event, today, shown)
        if event.kind == "message.created" and not event.data.get("redacted"):
            self._messages[event.id] = event
            if len(self._messages) > _MOST:
                del self._messages[next(iter(self._messages))]
        elif event.kind == "message.edited" and shown is not None and "text" in event.data:
            data = {**shown.data, "text": event.data["text"]}
            self._messages[about] = replace(shown, data=data)
        elif event.kind == "message.deleted":
            self._messages.pop(about, None)
        return line

    def newest_first(self) -> Iterator[Event]:
        """Yield the messages."""
        return reversed(self._messages.values())
