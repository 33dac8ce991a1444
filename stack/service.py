"""One process of the product: a replica of one of its services."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
from typing_extensions import override

from stack.servers.ports import LOOPBACK
from stack.servers.server import Server
from tests.support.log_lines import error_lines
from tests.support.metrics import metric

_ANSWER_SECONDS = 5


class Service(Server):
    """A replica, named for example `gateway-1`."""

    start_seconds = 60

    def __init__(
        self,
        folder: Path,
        name: str,
        settings: Callable[[str], Mapping[str, str]],
        *,
        log_file: Path,
    ) -> None:
        """Store all in `folder`; `settings` returns the service's variables at each start."""
        self.name = name
        super().__init__(folder, log_file=log_file)
        self.kind = name.rpartition("-")[0]
        self.settings = settings

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """Where it is reached from inside, its health and metrics too."""
        return f"http://{self.address}"

    def errors(self) -> list[str]:
        """Return the lines that it logged at level error."""
        if not self.log_file.exists():
            return []
        return error_lines(self.log_file.read_text(encoding="utf-8", errors="replace"))

    def metric(self, name: str) -> float:
        """Return the metric `name`, summed over all labels."""
        return metric(self.url, name)

    @override
    def prepare(self) -> None:
        """Prepare nothing: the stack does."""

    @override
    def launch(self) -> None:
        own = {
            "MADANG_HOST": LOOPBACK,
            "MADANG_PORT": str(self.port),
            "MADANG_DATA_DIR": str(self.folder / "data"),
        }
        command = [sys.executable, "-m", f"madang_{self.kind}"]
        self.run("main", command, env={**self.settings(self.kind), **own})

    @override
    def is_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/health/ready", timeout=_ANSWER_SECONDS, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK
