"""Names of people and rooms: brought to one form, or refused."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

USERNAME_LENGTH = 32
DISPLAY_NAME_LENGTH = 64
ROOM_NAME_LENGTH = 128
REASON_LENGTH = 256

_USERNAME = re.compile(r"[a-z0-9_.-]{3,32}\Z")
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_INVISIBLE = frozenset({"Cf", "Mn", "Zs"})
# Embeddings, overrides and isolates turn the text around a name around; marks (U+200E) do not.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def username_form(text: str) -> str:
    """Return `text` as usernames are compared: NFKC, then without case."""
    return unicodedata.normalize("NFKC", text).casefold()


def read_username(text: str) -> str:
    """Return the username that `text` writes; raise ValueError if it is none."""
    username = username_form(text)
    if not _USERNAME.match(username):
        raise ValueError("a username has 3 to 32 of a-z, 0-9, '_', '.' and '-'")
    return username


def _visible(text: str) -> str:
    name = unicodedata.normalize("NFC", text).strip()
    kinds = {unicodedata.category(character) for character in name}
    if kinds & _CONTROLS or _TURNING & set(name):
        raise ValueError("a name has no control characters")
    if kinds <= _INVISIBLE:
        raise ValueError("a name must be seen")
    return name


def _read_display_name(text: str) -> str:
    name = _visible(text)
    if len(name) > DISPLAY_NAME_LENGTH:
        raise ValueError(f"a display name has at most {DISPLAY_NAME_LENGTH} characters")
    return name


def _read_room_name(text: str) -> str:
    name = _visible(text)
    if len(name) > ROOM_NAME_LENGTH:
        raise ValueError(f"a room's name has at most {ROOM_NAME_LENGTH} characters")
    return name


def _read_reason(text: str) -> str:
    reason = _visible(text)
    if len(reason) > REASON_LENGTH:
        raise ValueError(f"a reason has at most {REASON_LENGTH} characters")
    return reason


# The first bound is for the raw text, which may shrink when it is normalised.
Username = Annotated[str, Field(max_length=256), AfterValidator(read_username)]
DisplayName = Annotated[str, Field(max_length=256), AfterValidator(_read_display_name)]
RoomName = Annotated[str, Field(max_length=512), AfterValidator(_read_room_name)]
Reason = Annotated[str, Field(max_length=1024), AfterValidator(_read_reason)]
