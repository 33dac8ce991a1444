"""nginx's configuration, filled in as its official image would do it."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

NGINX = Path(__file__).resolve().parents[2] / "deploy" / "nginx"
_SETTING = re.compile(r"\$\{(PROXY_[A-Z0-9_]+)\}")


def defaults() -> dict[str, str]:
    """Return the settings that `proxy.env` gives for compose."""
    lines = (NGINX / "proxy.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def servers(*addresses: str) -> str:
    """Return the `server` lines of replicas at `addresses`, each a `host:port`."""
    return " ".join(f"server {address} max_fails=1 fail_timeout=2s;" for address in addresses)


def gateways(*addresses: str) -> str:
    """Return the `server` lines of gateways, which are never given up on."""
    return " ".join(f"server {address} max_fails=0;" for address in addresses)


def render(given: Mapping[str, str]) -> str:
    """Return the configuration with `given` settings in place of the defaults."""
    known = defaults()
    if unknown := given.keys() - known:
        raise ValueError(f"nginx has no setting {', '.join(sorted(unknown))}")
    settings = {**known, **given}
    template = (NGINX / "nginx.conf.template").read_text(encoding="utf-8")
    return _SETTING.sub(lambda found: settings[found[1]], template)


def make_certificate(folder: Path, *names: str) -> None:
    """Make `ca.pem`, `localhost.pem` and `localhost.key` in `folder`, unless they are there."""
    subprocess.run([str(NGINX / "certificate.sh"), str(folder), *names], check=True)
