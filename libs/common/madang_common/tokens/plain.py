"""Tokens as auth itself writes them, read the short way; PyJWT decides about any others.

It looks at each character in Python, twice, which costs as much as the signature does. What is read
here it would read in the same way: what is not as expected in every respect, and whatever is wrong,
is left to it. libsodium takes half as long as OpenSSL to check an Ed25519 signature, and accepts
none that OpenSSL does not.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

_SIGNATURE_CHARACTERS = 86
"""Of the 64 bytes of an Ed25519 signature (RFC 8037)."""
_WRITTEN = re.compile(rf"[\w-]+\.[\w-]+\.[\w-]{{{_SIGNATURE_CHARACTERS}}}", re.ASCII)
_HEADERS = frozenset({"alg", "kid", "typ"})


def is_plain(header: Mapping[str, object]) -> bool:
    """Whether nothing in `header` changes what the rest of a token means."""
    return header.keys() <= _HEADERS


def read_plain(token: str, key: object) -> dict[str, Any] | None:
    """Return what `token`, whose header is plain, says; None if that is for PyJWT to decide.

    Its signature is `key`'s then.
    """
    if not isinstance(key, Ed25519PublicKey) or not _WRITTEN.fullmatch(token):
        return None
    signed, _, signature = token.rpartition(".")
    try:
        VerifyKey(key.public_bytes_raw()).verify(signed.encode(), _decoded(signature))
        payload = orjson.loads(_decoded(signed.partition(".")[2]))
    except (BadSignatureError, ValueError):
        return None
    return payload if isinstance(payload, dict) else None


def _decoded(segment: str) -> bytes:
    """Return the bytes of a segment; raise ValueError if they would be written in another way."""
    decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != segment:
        raise ValueError(segment)
    return decoded
