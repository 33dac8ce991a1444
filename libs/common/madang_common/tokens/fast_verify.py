"""The fast path of token verification, by orjson and libsodium: only tokens as auth writes them.

The general path (PyJWT and OpenSSL) takes more than twice as long. Both must agree: the fast path
either returns the payload that the general path would return, or None, and then the general path
decides. It never accepts a token that the general path refuses; libsodium accepts no Ed25519
signature that OpenSSL refuses.
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
"""Length of 64 bytes in base64url, an Ed25519 signature (RFC 8037)."""
_TOKEN = re.compile(rf"[\w-]+\.[\w-]+\.[\w-]{{{_SIGNATURE_CHARACTERS}}}", re.ASCII)
_HEADER_FIELDS = frozenset({"alg", "kid", "typ"})
_CLAIM_TYPES = {"sub": str, "jti": str, "iat": int, "exp": int}


def is_ordinary(header: Mapping[str, object]) -> bool:
    """Return whether no field of `header` changes how the rest of a token must be read."""
    return header.keys() <= _HEADER_FIELDS


def verify_fast(token: str, key: object, *, issuer: str, audience: str) -> dict[str, Any] | None:
    """Return the payload of `token`, or None if the general path must decide.

    The caller has checked its header: ordinary, the right algorithm, and the `kid` of `key`.
    """
    payload = _signed_payload(token, key)
    if payload is None or "nbf" in payload:
        return None
    if payload.get("iss") != issuer or payload.get("aud") != audience:
        return None
    for name, kind in _CLAIM_TYPES.items():
        if type(payload.get(name)) is not kind:
            return None
    return payload


def _signed_payload(token: str, key: object) -> dict[str, Any] | None:
    """Return the payload of `token` if it is written canonically and signed with `key`."""
    if not isinstance(key, Ed25519PublicKey) or not _TOKEN.fullmatch(token):
        return None
    signed, _, signature = token.rpartition(".")
    try:
        VerifyKey(key.public_bytes_raw()).verify(signed.encode(), _decoded(signature))
        payload = orjson.loads(_decoded(signed.partition(".")[2]))
    except (BadSignatureError, ValueError):
        return None
    return payload if isinstance(payload, dict) else None


def _decoded(segment: str) -> bytes:
    """Return the bytes of a segment; raise ValueError unless it is their canonical base64url."""
    decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != segment:
        raise ValueError("not canonical base64url")
    return decoded
