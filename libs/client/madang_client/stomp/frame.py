"""STOMP 1.2 frames and their encoding."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HEARTBEAT = b"\n"
"""A heart-beat."""
UNESCAPED = frozenset({"CONNECT", "CONNECTED"})
"""Commands whose headers are not escaped."""
_ESCAPES = str.maketrans({"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c"})


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame; of a repeated header it has the first one."""

    command: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def encode(frame: Frame) -> bytes:
    """Return the bytes of `frame`; raise ValueError if it cannot be encoded."""
    lines = [frame.command]
    for name, value in frame.headers.items():
        if "\0" in name or "\0" in value:
            raise ValueError(f"a header cannot contain NUL: {name!r}")
        if frame.command in UNESCAPED:
            if ":" in name or "\n" in name + value or "\r" in name + value:
                raise ValueError(f"{frame.command} cannot carry this header: {name!r}")
            lines.append(f"{name}:{value}")
        else:
            lines.append(f"{name.translate(_ESCAPES)}:{value.translate(_ESCAPES)}")
    if frame.body and "content-length" not in frame.headers:
        lines.append(f"content-length:{len(frame.body)}")
    return "\n".join(lines).encode() + b"\n\n" + frame.body + b"\0"
