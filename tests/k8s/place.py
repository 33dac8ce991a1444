"""What the tests are told about the cluster, by environment variables (README.md lists them)."""

import os
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.compose.trees import cache


@dataclass(frozen=True)
class Place:
    """One cluster, the namespace for the product, and how clients and images reach it."""

    namespace: str
    url: str
    node_port: int
    load_images: tuple[str, ...]
    """Command that gets the names of local images; empty if the cluster has them."""
    build_options: tuple[str, ...]
    values: tuple[Path, ...]
    """Values files for this cluster, after the tests' own."""
    previous: str
    """Git ref of the version that is upgraded."""
    per_second: int
    """Messages per second of the traffic."""

    @classmethod
    def from_environment(cls) -> "Place":
        """Read `K8S_…`; every one has a default that fits kind."""
        node_port = int(os.environ.get("K8S_NODE_PORT", "30443"))
        return cls(
            namespace=os.environ.get("K8S_NAMESPACE", "madang-test"),
            url=os.environ.get("K8S_URL", f"https://localhost:{node_port}"),
            node_port=node_port,
            load_images=tuple(
                shlex.split(os.environ.get("K8S_LOAD_IMAGES", "kind load docker-image"))
            ),
            build_options=tuple(shlex.split(os.environ.get("K8S_BUILD_OPTIONS", ""))),
            values=tuple(Path(path) for path in shlex.split(os.environ.get("K8S_VALUES", ""))),
            previous=os.environ.get("K8S_PREVIOUS", "HEAD~1"),
            per_second=int(os.environ.get("K8S_PER_SECOND", "50")),
        )

    @cached_property
    def folder(self) -> Path:
        """Folder of the certificate and the figures."""
        folder = cache().parent / "k8s"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
