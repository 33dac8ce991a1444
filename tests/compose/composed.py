"""The product as compose runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from stack.command import CommandError
from stack.servers.ports import free_port
from tests.compose.engine import Engine
from tests.compose.images import make_images, without_digest
from tests.e2e.product import Product
from tests.support.deployment import ROOT, compose, read_env
from tests.support.log_lines import error_lines
from tests.support.metrics import metric_in
from tests.support.proxy import make_certificate

_UP_SECONDS = 600
_PROJECT = "madang-test"
_TELL_METRICS = (
    "from urllib.request import urlopen;"
    " print(urlopen('http://127.0.0.1:8000/metrics').read().decode())"
)


class Composed(Product):
    """All of docker-compose.yml on an engine, with settings and a certificate of its own."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder.resolve()
        self.engine = engine

    @property
    def ca(self) -> Path:
        """The CA of its certificate."""
        return self._certificate / "ca.pem"

    @property
    def secrets(self) -> Path:
        """The folder of its secrets."""
        return self.folder / "secrets"

    @property
    @override
    def url(self) -> str:
        return f"https://localhost:{self._env['HTTPS_PORT']}"

    @property
    @override
    def ws_url(self) -> str:
        return f"wss://localhost:{self._env['HTTPS_PORT']}/ws"

    def up(self) -> None:
        """Make the images and start everything; return when it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        make_certificate(self._certificate)
        if not self._env_file.exists():
            self._write_env()
        self._override({})
        make_images(self.engine, self._services())
        self._up()

    def down(self) -> None:
        """Take everything away, its data too."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")

    @override
    def kill(self) -> None:
        self.compose("kill", "--signal", "SIGKILL", *self._ours())

    @override
    def launch(self, **settings: str) -> None:
        self._override(settings)
        self._up()

    @override
    def restart(self) -> None:
        self.kill()
        self._up()

    @override
    def pause(self) -> None:
        self.compose("pause", *self._ours())

    @override
    def resume(self) -> None:
        self.compose("unpause", *self._ours())

    @override
    def operate(self, *arguments: str) -> str:
        try:
            return self.compose("exec", "-T", "auth", "madang-auth", *arguments)
        except RuntimeError as error:
            raise CommandError(str(error)) from error

    @override
    def metric(self, name: str) -> float:
        gateways = [part for part in self._ours() if part.startswith("gateway")]
        pages = [
            self.compose("exec", "-T", part, "python", "-c", _TELL_METRICS) for part in gateways
        ]
        return sum(metric_in(page, name) for page in pages)

    @override
    def errors(self) -> list[str]:
        return error_lines(self.compose("logs", "--no-color", "--no-log-prefix", *self._ours()))

    def compose(self, *arguments: str) -> str:
        """Run compose and return its output; raise its error output."""
        done = subprocess.run(
            [
                *(Path(sys.executable).parent / "docker-compose", "--project-name", _PROJECT),
                *("--env-file", self._env_file, "--project-directory", ROOT),
                *("--file", ROOT / "docker-compose.yml", "--file", self._override_file),
                *("--progress", "plain", *arguments),
            ],
            env={**os.environ, **self.engine.environment},
            capture_output=True,
            text=True,
            timeout=_UP_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"compose {arguments[0]}: {done.stdout}{done.stderr[-8000:]}")
        return done.stdout

    def _up(self) -> None:
        self.compose("up", "--detach", "--wait", "--no-build")

    def _services(self) -> dict[str, dict[str, Any]]:
        """Return the services as compose understood them."""
        found: dict[str, dict[str, Any]] = json.loads(self.compose("config", "--format", "json"))[
            "services"
        ]
        return found

    def _ours(self) -> list[str]:
        """Return the containers of our own that keep running."""
        return [
            name
            for name, part in self._services().items()
            if "build" in part and part["restart"] != "no"
        ]

    def _override(self, settings: Mapping[str, str]) -> None:
        """Name the stand-ins, and give all containers of our own some more settings, or none."""
        images = {name: part["image"] for name, part in compose(self._env)["services"].items()}
        parts: dict[str, Any] = {
            name: {"image": without_digest(image)} for name, image in images.items() if "@" in image
        }
        self._write_override(parts)
        if settings:
            self._write_override(
                parts | {name: {"environment": dict(settings)} for name in self._ours()}
            )

    def _write_override(self, parts: Mapping[str, Any]) -> None:
        text = yaml.safe_dump({"services": dict(parts)})
        self._override_file.write_text(text, encoding="utf-8")

    def _write_env(self) -> None:
        scripts = ROOT / "deploy" / "compose"
        subprocess.run([scripts / "secrets.sh", self.secrets, self._env_file], check=True)
        subprocess.run([scripts / "env.sh", ROOT / ".env.example", self._env_file], check=True)
        # What stands below counts.
        own = {
            "VERSION": "test",
            "CERTIFICATE_DIR": str(self._certificate),
            "SECRETS_DIR": str(self.secrets),
            "SUBNET": "172.31.251",
            "REGISTRATIONS_PER_ADDRESS": "10000",
            "LOGIN_TRIES_PER_ADDRESS": "10000",
        }
        own |= {
            f"{name}_PORT": str(free_port())
            for name in ("HTTPS", "HTTP", "PROMETHEUS", "ALERTMANAGER", "GRAFANA")
        }
        with self._env_file.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in own.items())

    @property
    def _env(self) -> dict[str, str]:
        return read_env(self._env_file)

    @property
    def _env_file(self) -> Path:
        return self.folder / "env"

    @property
    def _override_file(self) -> Path:
        return self.folder / "settings.yml"

    @property
    def _certificate(self) -> Path:
        return self.folder / "certificate"
