"""A Secret with signing keys, as the kubelet mounts it."""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from madang_auth.signing.jwk import thumbprint
from madang_auth.signing.keys import parse_key

_LINK = "..data"


def kid_of(pem: bytes) -> str:
    """Return the key id of a signing key."""
    return thumbprint(parse_key(Path("key.pem"), pem).public_key())


class MountedSecret:
    """A folder of links through `..data`, which each write replaces atomically."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which may exist."""
        self.folder = folder

    def write(self, files: Mapping[str, bytes], *, mode: int = 0o440) -> None:
        """Replace all files, in the order of the kubelet's atomic writer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        old = self._version()
        version = self.folder / f"..{secrets.token_hex(8)}"
        version.mkdir(mode=0o755)
        for name, content in files.items():
            path = version / name
            path.write_bytes(content)
            path.chmod(mode)
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.folder / _LINK)
        for name in files:
            path = self.folder / name
            if not path.is_symlink():
                path.symlink_to(f"{_LINK}/{name}")
        for path in self.folder.iterdir():
            if path.is_symlink() and path.name != _LINK and path.name not in files:
                path.unlink()
        if old is not None:
            shutil.rmtree(old)

    def _version(self) -> Path | None:
        link = self.folder / _LINK
        return self.folder / link.readlink() if link.is_symlink() else None
