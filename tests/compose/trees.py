"""Bare Debian root trees that stand-in images are made from, built once per machine."""

import hashlib
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from stack.servers.programs import MissingProgramError, program

_BUILD_SECONDS = 900
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


@dataclass(frozen=True)
class Tree:
    """A Debian release and its installed packages."""

    name: str
    release: str
    packages: tuple[str, ...]

    @property
    def version(self) -> str:
        """Its name with a hash of what it is built from."""
        content = " ".join((self.release, *self.packages))
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def archive(self) -> Path:
        """Return the tree as a tar file, built if it is not there."""
        folder = cache()
        path = folder / f"{self.version}.tar"
        with FileLock(folder / f"{self.version}.lock", timeout=_BUILD_SECONDS):
            if not path.exists():
                self._build(path)
        return path

    def _build(self, path: Path) -> None:
        if os.geteuid() != 0:
            raise MissingProgramError("building Debian trees with mmdebstrap takes root")
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            unfinished = Path(work) / path.name
            command: list[str | Path] = [
                program("mmdebstrap", package="mmdebstrap"),
                "--quiet",
                "--variant=minbase",
                '--aptopt=Acquire::Check-Valid-Until "false"',
                '--aptopt=APT::Install-Recommends "false"',
                f"--include={','.join(self.packages)}",
                *(self.release, unfinished, _mirror()),
            ]
            subprocess.run(command, check=True, timeout=_BUILD_SECONDS)
            unfinished.rename(path)


PYTHON = Tree("python", "bookworm", ("python3", "python3-pip", "python3-venv", "ca-certificates"))
"""Base of the services' images."""
SERVERS = Tree(
    "servers",
    "sid",
    (
        *("ca-certificates", "curl", "gettext-base", "libcurl4t64", "openssl", "python3-pymongo"),
        *("mysql-client-core", "mysql-server-core", "nginx-light", "prometheus"),
        "prometheus-alertmanager",
        *("rabbitmq-server", "redis-server"),
    ),
)
"""All of the servers; Debian's unstable release has them as new as their own images."""


def cache() -> Path:
    """Return the folder for trees that are built once per machine."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "madang" / "compose"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _mirror() -> str:
    """Return where this machine gets Debian's packages: every release is there."""
    text = _SOURCES.read_text(encoding="utf-8") if _SOURCES.exists() else ""
    found = re.search(r"^URIs: *(\S+)", text, re.MULTILINE)
    if found is None:
        raise MissingProgramError(f"no mirror of Debian's packages is named in {_SOURCES}")
    return found[1]
