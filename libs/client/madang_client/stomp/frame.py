"""A STOMP 1.2 frame, and how it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HEARTBEAT = b"\n"
"""What a side sends when it has nothing to say."""
UNESCAPED = frozenset({"CONNECT", "CONNECTED"})
"""Frames written before the version is agreed, and therefore without escapes."""
_ESCAPES = str.maketrans({"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c"})


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; where a header was repeated, the first one stands here."""

    command: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def encode(frame: Frame) -> bytes:
    """Return `frame` as it goes over the wire; raise ValueError if it cannot be written."""
    lines = [frame.command]
    for name, value in frame.headers.items():
        if "\0" in name or "\0" in value:
            raise ValueError(f"a header cannot hold a NUL: {name!r}")
        if frame.command in UNESCAPED:
            if ":" in name or "\n" in name + value or "\r" in name + value:
                raise ValueError(f"{frame.command} cannot carry this header: {name!r}")
            lines.append(f"{name}:{value}")
        else:
            lines.append(f"{name.translate(_ESCAPES)}:{value.translate(_ESCAPES)}")
    if frame.body and "content-length" not in frame.headers:
        lines.append(f"content-length:{len(frame.body)}")
    return "\n".join(lines).encode() + b"\n\n" + frame.body + b"\0"
