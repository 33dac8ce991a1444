"""Rendered objects are valid, fit each other and have no needless rights; checks find faults."""

from collections.abc import Callable
from typing import Any

import pytest

from contracts.chart.manifests import Manifests
from tests.helm import exposure, pods, references, schema
from tests.helm.cases import Case, planted

_GATEWAY = "Deployment/madang-gateway"
_CONTAINER = "spec/template/spec/containers/[gateway]"
_CHECKS: dict[str, Callable[[Manifests], list[str]]] = {
    "exposed": exposure.exposed_faults,
    "image": pods.image_faults,
    "job": pods.job_faults,
    "mount": references.mount_faults,
    "port": references.port_faults,
    "probe": pods.probe_faults,
    "resource": pods.resource_faults,
    "route": references.route_faults,
    "schema": schema.faults,
    "security": pods.security_faults,
    "selector": references.selector_faults,
    "target": references.target_faults,
}


@pytest.mark.parametrize("check", _CHECKS)
def test_rendered_objects_have_no_fault(manifests: Manifests, check: str) -> None:
    assert not _CHECKS[check](manifests)


def test_every_object_that_a_pod_names_is_there(case: Case) -> None:
    assert not references.object_faults(case.manifests, case.external)


@pytest.mark.parametrize(
    ("check", "where", "path", "value", "fault"),
    [
        ("schema", _GATEWAY, "spec/replica", 3, "'replica' was unexpected"),
        ("schema", _GATEWAY, f"{_CONTAINER}/imagePullPolic", "Always", "was unexpected"),
        ("schema", _GATEWAY, "apiVersion", "apps/v2", "has no apps/v2 Deployment"),
        ("schema", "HTTPRoute/madang", "spec/rules/0/backendRef", [], "was unexpected"),
        ("schema", "HTTPRoute/madang", "spec/rules/0/timeouts", {"request": "1 s"}, "'1 s'"),
        ("image", _GATEWAY, f"{_CONTAINER}/image", "madang-gateway", "is not pinned"),
        ("image", _GATEWAY, f"{_CONTAINER}/image", "host:5000/madang-gateway", "is not pinned"),
        ("image", _GATEWAY, f"{_CONTAINER}/image", "madang-gateway:latest", "is not pinned"),
        ("security", _GATEWAY, "spec/template/spec/hostNetwork", True, "hostNetwork is set"),
        ("security", _GATEWAY, "spec/template/spec/automountServiceAccountToken", None, "token"),
        ("security", _GATEWAY, "spec/template/spec/securityContext", {}, "may run as root"),
        ("security", _GATEWAY, "spec/template/spec/securityContext", {}, "no seccomp profile"),
        ("security", _GATEWAY, f"{_CONTAINER}/securityContext", {}, "may gain privileges"),
        ("security", _GATEWAY, f"{_CONTAINER}/securityContext", {}, "its root file system"),
        ("security", _GATEWAY, f"{_CONTAINER}/securityContext", {}, "has capabilities"),
        ("resource", _GATEWAY, f"{_CONTAINER}/resources/limits", {"cpu": 1}, "are not set"),
        ("resource", _GATEWAY, f"{_CONTAINER}/resources/requests", None, "are not set"),
        ("job", "Job/madang-migration", "spec/backoffLimit", None, "backoffLimit is not set"),
        ("probe", _GATEWAY, f"{_CONTAINER}/readinessProbe", None, "readinessProbe is missing"),
        ("exposed", _GATEWAY, f"{_CONTAINER}/args", ["amqp://a:b@host/"], "an argument holds"),
        ("exposed", "ConfigMap/madang-gateway", "data/MADANG_SERVICE_CLIENT_SECRET", "x", "holds"),
        ("exposed", "ConfigMap/madang-gateway", "data/a.conf", "amqp://u:p@host/", "holds"),
        ("selector", _GATEWAY, "spec/selector/matchLabels/a", "b", "does not match its pods"),
        ("selector", "Service/madang-auth", "spec/selector/a", "b", "matches no pod"),
        (
            "selector",
            "PodDisruptionBudget/madang-auth",
            "spec/selector/matchLabels/app.kubernetes.io~component",
            None,
            "it covers",
        ),
        ("port", "Service/madang-auth", "spec/ports/0/targetPort", "web", "has no port web"),
        ("port", _GATEWAY, f"{_CONTAINER}/readinessProbe/httpGet/port", 8001, "asks port 8001"),
        ("mount", _GATEWAY, f"{_CONTAINER}/volumeMounts/0/name", "other", "other has no volume"),
        ("mount", _GATEWAY, f"{_CONTAINER}/volumeMounts/0/name", "other", "is not mounted"),
        ("route", "HTTPRoute/madang", "spec/rules/0/backendRefs/0/port", 81, "with port 81"),
    ],
)
def test_a_planted_fault_is_found(
    external: Manifests, check: str, where: str, path: str, value: Any, fault: str
) -> None:
    faults = _CHECKS[check](planted(external, where, path, value))

    assert any(fault in found for found in faults), faults


def test_a_missing_object_is_found(external: Manifests) -> None:
    others = tuple(item for item in external.objects if item["kind"] != "ConfigMap")

    faults = references.object_faults(Manifests(others), frozenset())

    assert "Deployment/madang-gateway: there is no ConfigMap madang-gateway" in faults
    assert "Deployment/madang-gateway: there is no Secret redis" in faults
