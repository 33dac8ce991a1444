"""Servers of the Prometheus project: one configuration file, and their readiness over HTTP."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx
from typing_extensions import override

from stack.servers.ports import LOOPBACK
from stack.servers.programs import program
from stack.servers.server import Server

_ANSWER_SECONDS = 5


class Monitor(Server):
    """A server whose configuration is the file `{name}.yml` in its folder."""

    start_seconds: ClassVar[float] = 30
    program_name: ClassVar[str]
    """Its program, and the Debian package that has it."""

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self.folder / f"{self.name}.yml"

    def configure(self, text: str) -> None:
        """Write the whole configuration for its next start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text, encoding="utf-8")

    @abstractmethod
    def options(self) -> Mapping[str, str | Path]:
        """Return the options of its command line besides its configuration and its address."""

    @override
    def prepare(self) -> None:
        if not self.config.exists():
            raise RuntimeError(f"{self.name} has no configuration in {self.folder}")

    @override
    def launch(self) -> None:
        options = {"config.file": self.config, "web.listen-address": self.address, **self.options()}
        arguments = [f"--{option}={value}" for option, value in options.items()]
        self.run("main", [program(self.program_name, package=self.program_name), *arguments])

    @override
    def is_ready(self) -> bool:
        try:
            with self.client() as client:
                return client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def client(self) -> httpx.Client:
        """Return a client of its API."""
        return httpx.Client(
            base_url=f"http://{self.address}", timeout=_ANSWER_SECONDS, trust_env=False
        )
