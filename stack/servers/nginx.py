"""nginx, with a given configuration."""

import os
import socket
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from stack.servers.ports import LOOPBACK
from stack.servers.programs import program
from stack.servers.secret_file import write_secret
from stack.servers.server import Server

_ANSWER_SECONDS = 1


class Nginx(Server):
    """One nginx. Its configuration listens on its ports and writes to its folder."""

    name: str = "nginx"
    port_names: ClassVar[tuple[str, ...]] = ("main", "http")
    start_seconds: ClassVar[float] = 10

    def configure(self, text: str) -> None:
        """Write the whole `nginx.conf` for its next start, or for `reload`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_secret(self.folder / "nginx.conf", text)

    @override
    def prepare(self) -> None:
        if not (self.folder / "nginx.conf").exists():
            raise RuntimeError(f"{self.name} has no configuration in {self.folder}")

    @override
    def launch(self) -> None:
        # As root its workers would be nobody, to whom the folder is closed.
        user = "user root;" if os.geteuid() == 0 else ""
        nginx = program("nginx", package="nginx")
        place: list[str | Path] = [
            "-p",
            self.folder,
            "-c",
            self.folder / "nginx.conf",
            "-e",
            "stderr",
        ]
        self.run("main", [nginx, *place, "-g", f"daemon off; {user}"])

    @override
    def is_ready(self) -> bool:
        # To a port of TLS this is a bad request, which is an answer too.
        try:
            with socket.create_connection((LOOPBACK, self.port), _ANSWER_SECONDS) as asked:
                asked.settimeout(_ANSWER_SECONDS)
                asked.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return asked.recv(5).startswith(b"HTTP")
        except OSError:
            return False
