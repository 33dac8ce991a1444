"""A Docker engine of one's own, which leaves the machine's firewall and routes as they are."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from stack.servers.programs import MissingProgramError, program
from stack.servers.server import BARE_PATH, Server

_LAST_WITHOUT_BUILDX = 22
_BUILD_SECONDS = 900


class Engine(Server):
    """One Docker engine; its data stays for the next start."""

    name: str = "dockerd"
    port_names: ClassVar[tuple[str, ...]] = ()
    start_seconds: ClassVar[float] = 30
    stop_seconds: ClassVar[float] = 60

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which Docker's clients find it."""
        return {"DOCKER_HOST": f"unix://{self._socket}", "DOCKER_BUILDKIT": "1"}

    @override
    def prepare(self) -> None:
        # Left behind by an engine that was killed.
        (self.folder / "pid").unlink(missing_ok=True)

    @override
    def launch(self) -> None:
        self.run(
            "main",
            [
                program("dockerd", package="docker.io"),
                *("--host", f"unix://{self._socket}"),
                *("--data-root", self.folder / "data"),
                *("--exec-root", self.folder / "exec"),
                *("--pidfile", self.folder / "pid"),
                *("--bridge=none", "--default-address-pool=base=172.31.224.0/20,size=24"),
                *("--iptables=false", "--ip6tables=false"),
                *("--ip-masq=false", "--ip-forward=false"),
            ],
        )

    @override
    def is_ready(self) -> bool:
        return self._docker("version").returncode == 0

    def docker(self, *arguments: str | Path) -> str:
        """Run Docker's client and return its output; raise its error output."""
        done = self._docker(*arguments)
        if done.returncode != 0:
            raise RuntimeError(f"docker {arguments[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def has_image(self, name: str) -> bool:
        """Return whether there is an image of that name."""
        return self._docker("image", "inspect", name).returncode == 0

    def build(self, tag: str, context: Path, *options: str | Path) -> None:
        """Build an image, with the machine's network."""
        self.docker("build", "--quiet", "--network=host", "--tag", tag, *options, context)

    def _docker(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._client, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"

    @cached_property
    def _client(self) -> Path:
        """The first client that can build with BuildKit."""
        for folder in BARE_PATH.split(":"):
            found = shutil.which("docker", path=folder)
            if found is not None and _builds(found):
                return Path(found)
        raise MissingProgramError("docker is missing: 'apt-get install docker.io' installs it")


def _builds(client: str) -> bool:
    told = subprocess.run([client, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"version (\d+)", told)
    if version is not None and int(version[1]) <= _LAST_WITHOUT_BUILDX:
        return True
    buildx = subprocess.run([client, "buildx", "version"], capture_output=True, check=False)
    return buildx.returncode == 0
