"""A root tree with MySQL in it, built once per machine from Debian's unstable release."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock

from stack.servers.programs import MissingProgramError

_BUILD_SECONDS = 600
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_MIRROR = re.compile(r"^URIs: *(\S+)", re.MULTILINE)
_LOADERS = ("lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1")


@dataclass(frozen=True)
class Tree:
    """A root tree whose programs are run with its own libraries, without becoming its root."""

    path: Path

    def command(self, program: str) -> list[str | Path]:
        """Return the command that runs a program of the tree."""
        loader = next(found for name in _LOADERS if (found := self.path / name).exists())
        libraries = f"usr/lib/{platform.machine()}-linux-gnu", "usr/lib/mysql/private"
        paths = ":".join(str(self.path / library) for library in libraries)
        return [loader, "--library-path", paths, self.path / program]


@cache
def mysql_tree() -> Tree:
    """Return the tree, built if it is not there; raise MissingProgramError if it cannot be had."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache_home / "madang"
    folder.mkdir(parents=True, exist_ok=True)
    tree = folder / "mysql-tree"
    with FileLock(folder / "mysql-tree.lock", timeout=_BUILD_SECONDS):
        if not (tree / "usr/sbin/mysqld").exists():
            _build(tree)
    return Tree(tree)


def _build(tree: Path) -> None:
    mirror = _mirror()
    builder = shutil.which("mmdebstrap")
    if builder is None or os.geteuid() != 0:
        raise MissingProgramError("mysqld is missing: building it takes mmdebstrap, as root")
    unfinished = Path(tempfile.mkdtemp(prefix="mysql-tree-", dir=tree.parent))
    try:
        done = subprocess.run(
            [
                builder,
                "--quiet",
                "--variant=essential",
                "--include=mysql-server-core,mysql-client-core",
                '--aptopt=Acquire::Check-Valid-Until "false"',
                "sid",
                unfinished,
                mirror,
            ],
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise MissingProgramError(
                f"mysqld is missing, and building it failed:\n{done.stderr[-2000:]}"
            )
        unfinished.chmod(0o755)
        shutil.rmtree(tree, ignore_errors=True)
        unfinished.rename(tree)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _mirror() -> str:
    """Return where this machine gets Debian's packages: unstable is there, too."""
    found = (
        re.search(r"^URIs: *(\S+)", _SOURCES.read_text(), re.MULTILINE)
        if _SOURCES.exists()
        else None
    )
    if found is None:
        raise MissingProgramError("mysqld is missing: it is built from Debian, and this is another")
    return found[1]
