"""The signing keys: PEM files in one folder.

The key in the file whose name sorts last signs; all public keys are published. A key in a file
`*.next.pem` is published but does not sign, so that all verifiers have it before the first token is
signed with it.
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

_CURRENT = ".pem"
_NEXT = ".next.pem"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class UnusableKeys(CannotStart):
    """A key is missing or cannot be read; the message names the file."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The signing key and the published keys."""

    signing: Ed25519PrivateKey = field(repr=False)
    kid: str
    """Key id of the signing key."""
    published: tuple[Jwk, ...]


def read_keys(folder: Path) -> SigningKeys:
    """Return the keys of `folder`; raise UnusableKeys if one cannot be read or none can sign."""
    keys = {path: _read(path) for path in sorted(folder.glob("*.pem"))}
    signing = [key for path, key in keys.items() if not path.name.endswith(_NEXT)]
    if not signing:
        raise UnusableKeys(f"{folder} has no signing key")
    published = {jwk["kid"]: jwk for jwk in (to_jwk(key.public_key()) for key in keys.values())}
    return SigningKeys(signing[-1], thumbprint(signing[-1].public_key()), tuple(published.values()))


def make_first_key(folder: Path, clock: Clock) -> None:
    """Make a key in `folder`, unless there is one."""
    if not any(folder.glob("*.pem")):
        make_key(folder, clock)


def make_key(folder: Path, clock: Clock, *, is_next: bool = False) -> Path:
    """Make a key in `folder`, private to its owner, and return its file, named by the time.

    It signs from now on; if it `is_next`, it is only published until the file is renamed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    made_at = datetime.fromtimestamp(clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"{made_at}{_NEXT if is_next else _CURRENT}"
    if path.exists():
        raise UnusableKeys(f"{path} exists already")
    # Written under another name first, so that a crash leaves a complete key or none.
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
        raise UnusableKeys(f"{path} is not a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKeys(f"{path} is not an Ed25519 key")
    return key
