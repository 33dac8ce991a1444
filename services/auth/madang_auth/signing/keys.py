"""The signing keys: PEM files in one folder. One key signs; all public keys are published.

| files | signs | only published |
| --- | --- | --- |
| named by role, as in a mounted Secret | `current.pem` | `next.pem`, `retired.pem`, all others |
| named by time | the last by name that is not `*.next.pem` | all others |

The next key is published before it signs, so that all verifiers have it before the first token that
is signed with it.
"""

import os
import secrets
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
from madang_auth.signing.key_files import (
    SUFFIX,
    KeyFile,
    UnusableKeys,
    read_files,
    warn_about_modes,
)
from madang_common.clock import Clock

log = structlog.get_logger()

CURRENT = "current.pem"
_ONLY_PUBLISHED = frozenset({"next.pem", "retired.pem"})
_NEXT = ".next.pem"


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The signing key and the published keys."""

    signing: Ed25519PrivateKey = field(repr=False)
    kid: str
    """Key id of the signing key."""
    published: tuple[Jwk, ...]


def read_keys(folder: Path) -> SigningKeys:
    """Return the keys of `folder`; raise UnusableKeys if one cannot be read or none can sign."""
    return parse_keys(folder, read_files(folder))


def parse_keys(folder: Path, files: dict[str, KeyFile]) -> SigningKeys:
    """Return the keys in `files` of `folder`; raise UnusableKeys if one is invalid or missing."""
    keys = {name: parse_key(folder / name, file.content) for name, file in files.items()}
    signing = keys[_signing(folder, sorted(keys))]
    published = {jwk["kid"]: jwk for jwk in (to_jwk(key.public_key()) for key in keys.values())}
    warn_about_modes(folder, files)
    return SigningKeys(signing, thumbprint(signing.public_key()), tuple(published.values()))


def _signing(folder: Path, names: list[str]) -> str:
    """Return which of the files `names`, in order, has the key that signs."""
    if CURRENT in names:
        return CURRENT
    by_role = _ONLY_PUBLISHED.intersection(names)
    if by_role:
        raise UnusableKeys(f"{folder} has {', '.join(sorted(by_role))}, but no {CURRENT}")
    by_time = [name for name in names if not name.endswith(_NEXT)]
    if not by_time:
        raise UnusableKeys(f"{folder} has no signing key")
    return by_time[-1]


def make_first_key(folder: Path, clock: Clock) -> None:
    """Make a key in `folder`, unless there is one."""
    if not any(folder.glob("*.pem")):
        make_key(folder, clock)


def make_key(folder: Path, clock: Clock, *, is_next: bool = False) -> Path:
    """Make a key in `folder`, private to its owner, and return its file, named by the time.

    It signs from now on; if it `is_next`, it is only published until the file is renamed.
    """
    if (folder / CURRENT).exists():
        raise UnusableKeys(f"{folder / CURRENT} signs: replace it to sign with another key")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = new_pem()
    made_at = datetime.fromtimestamp(clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"{made_at}{_NEXT if is_next else SUFFIX}"
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


def new_pem() -> bytes:
    """Return a new private key in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def parse_key(path: Path, pem: bytes) -> Ed25519PrivateKey:
    """Return the private key in `pem`, the content of `path`; raise UnusableKeys."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKeys(f"{path} is not a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKeys(f"{path} is not an Ed25519 key")
    return key
