"""The signing keys: PEM files in one folder.

The file whose name sorts last signs; every file's public key is published. A name that ends in
`.next.pem` is published too but never signs, so that a key can be known everywhere before the first
token is signed with it.
"""

import os
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from madang_auth.signing.jwk import Jwk, thumbprint, to_jwk
from madang_common.clock import Clock

log = structlog.get_logger()

_NEXT = ".next.pem"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class UnusableKeys(Exception):  # noqa: N818 - reads as the state it tells
    """The folder of keys does not hold what is needed; the message names the file."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key that signs, and all that are published."""

    signing: Ed25519PrivateKey = field(repr=False)
    kid: str
    """Name of the signing key."""
    published: tuple[Jwk, ...]


def read_keys(folder: Path) -> SigningKeys:
    """Return the keys of `folder`; raise UnusableKeys if one cannot be read or none can sign."""
    keys = {path: _read(path) for path in sorted(folder.glob("*.pem"))}
    signing = [key for path, key in keys.items() if not path.name.endswith(_NEXT)]
    if not signing:
        raise UnusableKeys(f"{folder} holds no key to sign with")
    published = {jwk["kid"]: jwk for jwk in (to_jwk(key.public_key()) for key in keys.values())}
    return SigningKeys(signing[-1], thumbprint(signing[-1].public_key()), tuple(published.values()))


def make_first_key(folder: Path, clock: Clock) -> None:
    """Make `folder` with one key in it, unless it holds any."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.glob("*.pem")):
        return
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    made_at = datetime.fromtimestamp(clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"{made_at}.pem"
    # Written whole under another name first: a crash leaves a whole key or none.
    unfinished = path.with_suffix(".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    log.info("signing_key_made", path=str(path))


def _read(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & _OTHERS:
        log.warning("signing_key_readable_by_others", path=str(path))
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKeys(f"{path} is no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKeys(f"{path} is no Ed25519 key")
    return key
