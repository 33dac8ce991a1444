"""`kubectl apply -k` of the trial overlay, with nothing but kubectl."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.k8s.cluster import Cluster
from tests.k8s.command import run
from tests.k8s.conftest import Under
from tests.k8s.figures import Traffic
from tests.k8s.images import SERVICES
from tests.k8s.product import Kubernetes
from tests.support.deployment import ROOT

_OVERLAY = ROOT / "deploy" / "k8s" / "overlays" / "trial"
_NAMESPACE = "madang"
_TAG = "test"


@pytest.fixture
def overlay(product: Kubernetes, tmp_path: Path) -> Path:
    """Give a folder with the overlay, with the tests' images and port."""
    port = {"op": "add", "path": "/spec/ports/0/nodePort", "value": product.place.node_port}
    kind = {"op": "add", "path": "/spec/type", "value": "NodePort"}
    kustomization = {
        "resources": [os.path.relpath(_OVERLAY, tmp_path)],
        "images": [{"name": f"madang-{name}", "newTag": _TAG} for name in (*SERVICES, "web")],
        "patches": [
            {
                "target": {"kind": "Service", "name": "madang-web"},
                "patch": yaml.safe_dump([kind, port]),
            },
        ],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return tmp_path


@pytest.fixture
def applied(product: Kubernetes, overlay: Path) -> Iterator[Cluster]:
    """Apply the overlay meanwhile, as its README says, in the namespace that it names."""
    cluster, others = Cluster(_NAMESPACE), product.cluster
    assert not cluster.exists(), f"there is a namespace {_NAMESPACE} already"
    others.delete_namespace()
    run([_OVERLAY / "secrets.sh"])
    try:
        cluster.kubectl("apply", "--kustomize", str(overlay))
        product.cluster, product.known_ca = cluster, _OVERLAY / "secrets" / "ca.pem"
        yield cluster
    finally:
        product.cluster, product.known_ca = others, None
        cluster.kubectl("delete", "--kustomize", str(overlay), "--ignore-not-found")


async def test_trial_overlay_serves(
    product: Kubernetes, applied: Cluster, under: Under, traffic: Traffic
) -> None:
    product.await_ready()

    async with under() as clients:
        await clients.acknowledge(5 * product.place.per_second)

    assert traffic.failures == {}
