"""Prometheus, with a given configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from stack.servers.monitor import Monitor


class Prometheus(Monitor):
    """One Prometheus."""

    name: str = "prometheus"
    program_name: ClassVar[str] = "prometheus"

    def targets(self) -> dict[str, str]:
        """Return the health of each scrape target by address: `up`, `down` or `unknown`."""
        found: list[dict[str, Any]] = self._ask("/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["instance"]: target["health"] for target in found}

    def alerts(self) -> set[str]:
        """Return the names of the alerting rules that it evaluates."""
        groups: list[dict[str, Any]] = self._ask("/api/v1/rules", type="alert")["data"]["groups"]
        return {rule["name"] for group in groups for rule in group["rules"]}

    def alertmanagers(self) -> list[str]:
        """Return the URL of each Alertmanager that alerts are sent to."""
        found: list[dict[str, str]] = self._ask("/api/v1/alertmanagers")["data"][
            "activeAlertmanagers"
        ]
        return [one["url"] for one in found]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an instant query: a list of `metric` and `value`."""
        answer: list[dict[str, Any]] = self._ask("/api/v1/query", query=expression)["data"][
            "result"
        ]
        return answer

    @override
    def options(self) -> Mapping[str, str | Path]:
        return {
            "storage.tsdb.path": self.folder / "data",
            "storage.tsdb.retention.size": "256MB",
        }

    def _ask(self, path: str, **parameters: str) -> dict[str, Any]:
        with self.client() as client:
            answer: dict[str, Any] = client.get(path, params=parameters).raise_for_status().json()
            return answer
