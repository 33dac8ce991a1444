"""Ed25519 public keys as JWKs (RFC 8037), named by their thumbprint (RFC 7638)."""

import hashlib
import json
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from madang_common.tokens.claims import ALGORITHM

Jwk = dict[str, str]


def to_jwk(key: Ed25519PublicKey) -> Jwk:
    """Return `key` as a JWK for publication."""
    required = _required(key)
    return required | {"kid": _thumbprint(required), "alg": ALGORITHM, "use": "sig"}


def thumbprint(key: Ed25519PublicKey) -> str:
    """Return the thumbprint of `key`, its `kid`."""
    return _thumbprint(_required(key))


def _required(key: Ed25519PublicKey) -> Jwk:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes_raw())}


def _thumbprint(required: Jwk) -> str:
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
