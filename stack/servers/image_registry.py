"""A registry of container images, open or with tokens."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx
from typing_extensions import override

from stack.servers.ports import LOOPBACK
from stack.servers.programs import program
from stack.servers.secret_file import write_secret
from stack.servers.server import Server

_ANSWER_SECONDS = 5


@dataclass(frozen=True)
class TokenAuth:
    """Whose tokens the registry wants."""

    realm: str
    """URL of the issuer."""
    service: str
    issuer: str
    certificates: Path
    """PEM file with the certificates of the issuer."""


class ImageRegistry(Server):
    """One registry; `images` is its folder, which several may share."""

    name: str = "registry"
    start_seconds: ClassVar[float] = 30

    def __init__(self, folder: Path, *, images: Path, auth: TokenAuth | None = None) -> None:
        super().__init__(folder)
        self._images = images
        self._auth = auth

    @property
    def host(self) -> str:
        """Its host and port, as in the name of an image."""
        return f"{LOOPBACK}:{self.port}"

    @override
    def prepare(self) -> None:
        settings: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._images)}},
            "http": {"addr": self.host, "secret": self.password},
        }
        if self._auth is not None:
            token = {
                "realm": self._auth.realm,
                "service": self._auth.service,
                "issuer": self._auth.issuer,
                "rootcertbundle": str(self._auth.certificates),
            }
            settings["auth"] = {"token": token}
        # JSON is YAML.
        write_secret(self.folder / "registry.yml", json.dumps(settings))

    @override
    def launch(self) -> None:
        server = program("docker-registry", package="docker-registry")
        self.run("main", [server, "serve", self.folder / "registry.yml"])

    @override
    def is_ready(self) -> bool:
        try:
            answer = httpx.get(f"http://{self.host}/v2/", timeout=_ANSWER_SECONDS, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code in {httpx.codes.OK, httpx.codes.UNAUTHORIZED}
