"""The settings of the bundled nginx are those of its template, and fit its container."""

import re
from collections.abc import Mapping

import pytest

from contracts.chart.manifests import Manifests, Workload
from tests.helm.cases import cases, planted
from tests.helm.mounts import Mounts
from tests.helm.pods import SLACK_SECONDS, pre_stop_seconds
from tests.support import proxy

_FOUND_AT_START = {"PROXY_RESOLVER"}
"""The entrypoint finds it in the pod."""
_PATHS = ("PROXY_CERTIFICATE", "PROXY_CERTIFICATE_KEY", "PROXY_STATE_DIR")


def web(manifests: Manifests) -> Workload | None:
    """Return the pods of nginx as a proxy."""
    for workload in manifests.workloads:
        if any(part.get("args") == ["proxy"] for part in workload.main):
            return workload
    return None


def settings(manifests: Manifests, workload: Workload) -> Mapping[str, str]:
    (container,) = workload.main
    given: dict[str, str] = {}
    for source in container["envFrom"]:
        if source.get("configMapRef", {}).get("name") in manifests.named("ConfigMap"):
            given |= manifests.named("ConfigMap")[source["configMapRef"]["name"]]["data"]
    return {name: value for name, value in given.items() if name.startswith("PROXY_")}


def faults(manifests: Manifests) -> list[str]:
    """Return what nginx would not find or know."""
    workload = web(manifests)
    if workload is None:
        return []
    (container,) = workload.main
    given = settings(manifests, workload)
    known = proxy.defaults().keys()
    found = [f"{name} is no setting of nginx" for name in given.keys() - known]
    found += [f"{name} is not set" for name in known - given.keys() - _FOUND_AT_START]
    if found:
        return found
    mounts = Mounts(manifests, workload, container)
    found += [fault for name in _PATHS if (fault := mounts.fault(given[name])) is not None]
    declared = {port["containerPort"] for port in container["ports"]}
    listens = re.findall(r"^\s*listen (?:\S+:)?(\d+)\b", proxy.render(given), re.MULTILINE)
    if declared != {int(port) for port in listens}:
        found.append(f"nginx listens on {listens}; its container declares {sorted(declared)}")
    grace = workload.pod["terminationGracePeriodSeconds"]
    if grace < pre_stop_seconds(container) + SLACK_SECONDS:
        found.append(f"the grace period is {grace} s")
    # Each renewal of the certificate is a reload.
    if float(given["PROXY_DRAIN_SECONDS"]) < float(proxy.defaults()["PROXY_DRAIN_SECONDS"]):
        found.append(f"a reload closes WebSockets after {given['PROXY_DRAIN_SECONDS']} s")
    return found


def test_nginx_gets_its_settings(manifests: Manifests) -> None:
    assert not faults(manifests)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("data/PROXY_HTTP_LISTN", "1", "PROXY_HTTP_LISTN is no setting"),
        ("data/PROXY_HTTP_LISTEN", None, "PROXY_HTTP_LISTEN is not set"),
        ("data/PROXY_HTTP_LISTEN", "8081", "nginx listens on"),
        ("data/PROXY_CERTIFICATE", "/tls.crt", "/tls.crt is in no volume"),
        ("data/PROXY_DRAIN_SECONDS", "10", "a reload closes WebSockets after 10 s"),
    ],
)
def test_a_planted_fault_is_found(path: str, value: str | None, fault: str) -> None:
    trial = cases()["trial"].manifests
    (found,) = (
        source["configMapRef"]["name"]
        for part in (web(trial) or pytest.fail("the trial has no nginx")).main
        for source in part["envFrom"]
    )

    planted_in = planted(trial, f"ConfigMap/{found}", path, value)

    assert any(fault in told for told in faults(planted_in)), faults(planted_in)


def test_too_short_a_grace_period_is_found() -> None:
    trial = cases()["trial"].manifests

    planted_in = planted(
        trial, "Deployment/madang-web", "spec/template/spec/terminationGracePeriodSeconds", 16
    )

    assert "the grace period is 16 s" in faults(planted_in)
