"""The signing keys: PEM files in one folder.

The file whose name sorts last signs; every file's public key is published. A name that ends in
`.next.pem` is published too but never signs, so that a key can be known everywhere before the first
token is signed with it.
"""

import os
import secrets
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
from madang_common.settings import CannotStart

log = structlog.get_logger()

_NOW = ".pem"
_NEXT = ".next.pem"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class UnusableKeys(CannotStart):
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
    if not any(folder.glob("*.pem")):
        make_key(folder, clock)


def make_key(folder: Path, clock: Clock, *, coming: bool = False) -> Path:
    """Make a key in `folder`, for its owner only, and return its file, named for the time.

    It signs from now on; or, if it is `coming`, it is published until it is given its real name.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    made_at = datetime.fromtimestamp(clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"{made_at}{_NEXT if coming else _NOW}"
    if path.exists():
        raise UnusableKeys(f"{path} is there already")
    # Written whole under another name first: a crash leaves a whole key or none.
    unfinished = folder / f"{made_at}.{secrets.token_hex(4)}.unfinished"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    log.info("signing_key_made", path=str(path))
    return path


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        if path.stat().st_mode & _OTHERS:
            log.warning("signing_key_readable_by_others", path=str(path))
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKeys(f"{path} is no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKeys(f"{path} is no Ed25519 key")
    return key
