"""The default registry, as the container engine of this machine knows it."""

import shutil
import subprocess
from urllib.parse import urlsplit

_SECONDS = 20


class NoDefaultRegistryError(Exception):
    """Nothing names the default registry."""


def default_registry(given: str) -> str:
    """Return the host of `given`, or else of the registry in which Docker finds short names."""
    address = given or _told_by_docker()
    host = urlsplit(address if "//" in address else f"//{address}").netloc
    if not host or "@" in host:
        raise NoDefaultRegistryError(
            "no default registry: start Docker, or set REGISTRY to the host of a registry"
        )
    return host


def _told_by_docker() -> str:
    docker = shutil.which("docker")
    if docker is None:
        return ""
    done = subprocess.run(  # noqa: S603 - a fixed command
        [docker, "info", "--format", "{{.IndexServerAddress}}"],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else ""
