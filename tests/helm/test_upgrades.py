"""What an upgrade repeats of the objects that exist."""

from typing import Any

import pytest

from contracts.chart.manifests import Manifests, Object
from contracts.chart.rendering import CHART, NAMESPACE, helm, options
from tests.helm.api_server import api_server
from tests.helm.cases import cases


def upgraded(case: str, *existing: Object) -> Manifests:
    """Return what an upgrade to a case would apply where these objects exist."""
    found = cases()[case]
    with api_server(found.manifests, list(existing)) as url:
        live = ("--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", url)
        return Manifests.parse(helm("template", "madang", CHART, *options(found.path), *live))


def existing(version: str, kind: str, name: str, **fields: Any) -> Object:
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            "meta.helm.sh/release-name": "madang",
            "meta.helm.sh/release-namespace": NAMESPACE,
        },
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


@pytest.mark.parametrize(("present", "replicas"), [(7, 7), (1, 2)])
def test_an_autoscaler_keeps_its_replicas(present: int, replicas: int) -> None:
    gateway = existing("apps/v1", "Deployment", "madang-gateway", spec={"replicas": present})

    deployments = upgraded("autoscaling", gateway).named("Deployment")

    assert deployments["madang-gateway"]["spec"]["replicas"] == replicas
    assert "replicas" not in deployments["madang-auth"]["spec"]


def test_generated_secrets_are_kept() -> None:
    present = {"gateway": "Zw==", "rooms": "cg=="}
    services = existing("v1", "Secret", "madang-services", data=present)

    kept = upgraded("external", services).named("Secret")["madang-services"]["data"]

    assert kept.keys() == {"gateway", "rooms", "history"}
    assert present.items() <= kept.items()
    assert kept["history"]
