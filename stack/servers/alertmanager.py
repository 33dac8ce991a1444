"""Alertmanager, with a given configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from stack.servers.monitor import Monitor


class Alertmanager(Monitor):
    """One Alertmanager."""

    name: str = "alertmanager"
    program_name: ClassVar[str] = "prometheus-alertmanager"

    def alerts(self) -> dict[str, str]:
        """Return the state of each alert, `active` or `suppressed`, by its name."""
        with self.client() as client:
            found: list[dict[str, Any]] = client.get("/api/v2/alerts").raise_for_status().json()
        return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in found}

    @override
    def options(self) -> Mapping[str, str | Path]:
        return {"storage.path": self.folder / "data", "cluster.listen-address": ""}
