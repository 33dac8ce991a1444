"""The chart as a Helm release in one namespace."""

import json
from pathlib import Path
from typing import Any

from contracts.chart.tools import tool
from tests.k8s.cluster import Cluster
from tests.k8s.command import run
from tests.k8s.place import Place
from tests.support.deployment import ROOT
from tests.support.test_settings import TEST_SETTINGS

NAME = "madang"
CHART = ROOT / "deploy" / "helm" / "madang"
JWKS_SECONDS = 10
"""max-age of the public keys; a published key signs after as long."""
SERVICE_TOKEN_SECONDS = 60
"""Life of a service's token: a retired key can be removed after it."""
_SECONDS = 600


class Release:
    """The release that the tests install, change and uninstall."""

    def __init__(self, cluster: Cluster, place: Place) -> None:
        self.cluster = cluster
        self._place = place

    def upgrade(self, chart: Path, tag: str) -> str:
        """Install or upgrade with the images of `tag`; return the notes when all pods are ready."""
        values = self._place.folder / "values.json"
        values.write_text(json.dumps(self._values(tag)), encoding="utf-8")
        files = [f"--values={path}" for path in (values, *self._place.values)]
        return self._helm(
            "upgrade", NAME, str(chart), "--install", "--wait", f"--timeout={_SECONDS}s", *files
        )

    def rollback(self) -> None:
        """Return to the revision before."""
        self._helm("rollback", NAME, "--wait", f"--timeout={_SECONDS}s")

    def test(self) -> str:
        """Run `helm test` and return its output."""
        return self._helm("test", NAME, "--logs", f"--timeout={_SECONDS}s")

    def notes(self) -> str:
        """Return the notes of the current revision."""
        return self._helm("get", "notes", NAME)

    def uninstall(self) -> None:
        """Remove the release."""
        self._helm("uninstall", NAME, "--wait", f"--timeout={_SECONDS}s")

    def _values(self, tag: str) -> dict[str, Any]:
        port = self._place.url.rpartition(":")[2]
        return {
            "image": {"tag": tag},
            "publicHosts": ["localhost"],
            "settings": {
                **TEST_SETTINGS,
                "MADANG_SERVICE_TOKEN_SECONDS": str(SERVICE_TOKEN_SECONDS),
                "MADANG_JWKS_MAX_AGE_SECONDS": str(JWKS_SECONDS),
            },
            "trial": {"enabled": True},
            "expose": {
                "nginx": {
                    "publicPort": f":{port}",
                    "service": {"type": "NodePort", "httpsNodePort": self._place.node_port},
                    "settings": {
                        # All clients of the tests share one address.
                        "PROXY_REQUESTS_PER_SECOND": "10000",
                        "PROXY_REQUESTS_BURST": "10000",
                        "PROXY_CONNECTIONS_PER_ADDRESS": "10000",
                    },
                }
            },
        }

    def _helm(self, *arguments: str) -> str:
        return run(
            [tool("helm"), "--namespace", self.cluster.namespace, *arguments], seconds=_SECONDS + 60
        )
