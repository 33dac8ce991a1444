"""The client's half of HTTP/1.1, as far as a load generator needs it: requests out only."""

import json
from collections.abc import Mapping

from bench.virtual_client import SLOT

MARK = b"HTTP/1.1 20"
"""Stands exactly once in each response that succeeded; a refusal is not counted."""


def request(
    method: str,
    path: str,
    *,
    host: str,
    headers: Mapping[str, str] | None = None,
    document: Mapping[str, str] | None = None,
) -> bytes:
    """Return a request with `document` as its body; a header of its own has the slot."""
    body = b"" if document is None else json.dumps(document).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"X-Bench: {SLOT.decode()}"]
    if document is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
