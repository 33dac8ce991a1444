"""One process of the product: a replica of one of its services."""

from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
from typing_extensions import override

from madang_auth.settings import AuthSettings
from madang_common.settings import CommonSettings
from madang_common.variables import FILE_SUFFIX, PREFIX
from madang_gateway.settings import GatewaySettings
from madang_history.settings import HistorySettings
from madang_rooms.settings import RoomsSettings
from stack.launching import launch
from stack.servers.ports import LOOPBACK
from stack.servers.processes import streams_to
from stack.servers.server import Server
from tests.support.log_lines import error_lines
from tests.support.metrics import metric

_ANSWER_SECONDS = 5
SETTINGS: Mapping[str, type[CommonSettings]] = {
    "gateway": GatewaySettings,
    "auth": AuthSettings,
    "rooms": RoomsSettings,
    "history": HistorySettings,
}
"""The settings class of each service."""


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

    def has(self, variable: str) -> bool:
        """Return whether `variable`, named `MADANG_…`, is a setting of this service."""
        name = variable.removeprefix(PREFIX).removesuffix(FILE_SUFFIX).lower()
        return name in SETTINGS[self.kind].model_fields

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
        env = {**self.bare_environment, **self.settings(self.kind), **own}
        with streams_to(self.log_file) as streams:
            process = launch(f"madang_{self.kind}", env=env, streams=streams)
        self.processes.record("main", process.pid)

    @override
    def is_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/health/ready", timeout=_ANSWER_SECONDS, trust_env=False)
        except httpx.TransportError:
            return False
        # `degraded` is ready too, but a test that starts a replica needs all of it.
        return answer.is_success and answer.json()["status"] == "ok"
