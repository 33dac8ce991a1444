"""Prometheus, with a given configuration."""

from typing import Any, ClassVar

import httpx
from typing_extensions import override

from stack.servers.ports import LOOPBACK
from stack.servers.programs import program
from stack.servers.server import Server

_ANSWER_SECONDS = 5


class Prometheus(Server):
    """One Prometheus."""

    name: str = "prometheus"
    start_seconds: ClassVar[float] = 30

    @property
    def url(self) -> str:
        """Where its API and its page are."""
        return f"http://{LOOPBACK}:{self.port}"

    def configure(self, text: str) -> None:
        """Write the whole `prometheus.yml` for its next start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "prometheus.yml").write_text(text, encoding="utf-8")

    def targets(self) -> dict[str, str]:
        """Return the health of each scrape target by address: `up`, `down` or `unknown`."""
        found: list[dict[str, Any]] = self._ask("/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["instance"]: target["health"] for target in found}

    def alerts(self) -> set[str]:
        """Return the names of the alerting rules that it evaluates."""
        groups: list[dict[str, Any]] = self._ask("/api/v1/rules", type="alert")["data"]["groups"]
        return {rule["name"] for group in groups for rule in group["rules"]}

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an instant query: a list of `metric` and `value`."""
        answer: list[dict[str, Any]] = self._ask("/api/v1/query", query=expression)["data"][
            "result"
        ]
        return answer

    @override
    def prepare(self) -> None:
        if not (self.folder / "prometheus.yml").exists():
            raise RuntimeError(f"{self.name} has no configuration in {self.folder}")

    @override
    def launch(self) -> None:
        options = {
            "config.file": self.folder / "prometheus.yml",
            "storage.tsdb.path": self.folder / "data",
            "storage.tsdb.retention.size": "256MB",
            "web.listen-address": f"{LOOPBACK}:{self.port}",
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self.run("main", [program("prometheus", package="prometheus"), *arguments])

    @override
    def is_ready(self) -> bool:
        try:
            with self._client() as client:
                return client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _ask(self, path: str, **parameters: str) -> dict[str, Any]:
        with self._client() as client:
            answer: dict[str, Any] = client.get(path, params=parameters).raise_for_status().json()
            return answer

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=_ANSWER_SECONDS, trust_env=False)
