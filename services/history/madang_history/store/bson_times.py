"""Times as dates of MongoDB, and back, without any change.

Next to the date `name`, the field `name_text` has the sender's text where the date does not say
the same; the date is null if the text is no time at all.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any


def put_time(document: dict[str, Any], name: str, text: str) -> None:
    """Set the field `name` of `document` to the time `text`."""
    time, is_exact = _time(text)
    document[name] = time
    if not is_exact:
        document[f"{name}_text"] = text


def time_text(document: Mapping[str, Any], name: str) -> str | None:
    """Return the text of the time in the field `name`; None if there is none."""
    text: str | None = document.get(f"{name}_text")
    if text is not None or name not in document:
        return text
    return _text(document[name])


@lru_cache(maxsize=1024)
def _time(at: str) -> tuple[datetime | None, bool]:
    """Return the time of `at`, None if it is none, and whether the time says all that `at` does.

    Cached because many events have the same time under load.
    """
    try:
        time = datetime.fromisoformat(at.removesuffix("Z"))
        if time.tzinfo is not None:
            time = time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None, False
    return time, _text(time) == at


def _text(time: datetime) -> str:
    """Return a time in UTC as the product writes it: RFC 3339, with milliseconds."""
    return f"{time.isoformat(timespec='milliseconds')}Z"
