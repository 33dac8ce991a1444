"""NetworkPolicies allow the documented connections and no others."""

import re
from dataclasses import replace
from typing import Any

import pytest

from contracts.chart.manifests import Manifests, title
from stack.service import SETTINGS
from tests.helm.cases import Case, cases, planted
from tests.helm.flows import CALLS
from tests.helm.policies import Network, Peer
from tests.support.deployment import ROOT

_DATABASE = {"ports": [{"protocol": "TCP", "port": 3306}]}


def test_the_documented_connections_are_allowed_and_no_others(case: Case) -> None:
    if case.values["networkPolicy"]["enabled"]:
        assert not case.flows.faults()
    else:
        assert not case.manifests.of("NetworkPolicy")


def test_some_installation_has_policies_and_trial_servers() -> None:
    trial = cases()["trial"]

    assert len(trial.manifests.of("NetworkPolicy")) > len(SETTINGS)
    assert {"rabbitmq", "mysql", "mongodb", "redis"} <= trial.flows.components.keys()


@pytest.mark.parametrize("service", SETTINGS)
def test_services_call_those_that_their_wiring_has_clients_for(service: str) -> None:
    wiring = ROOT / "services" / service / f"madang_{service}" / "wiring.py"

    called = re.findall(
        r"\b(?:backends\.|settings\.)(auth|rooms|history)(?:_url)?\b", wiring.read_text("utf-8")
    )

    assert set(called) - {service} == CALLS[service]


@pytest.mark.parametrize(
    ("name", "policy", "path", "value", "fault"),
    [
        ("external", "gateway", "spec/egress/-", _DATABASE, "gateway may connect to an address"),
        ("trial", "gateway", "spec/egress/-", _DATABASE, ""),
        ("trial", "gateway", "spec/egress", [], "gateway may not connect to"),
        ("trial", "rooms", "spec/egress/0/ports/0/port", 8001, "rooms may not connect to"),
        (
            "trial",
            "redis",
            "spec/ingress",
            [],
            "gateway may not connect to StatefulSet/madang-redis",
        ),
        ("trial", "redis", "spec/ingress", [{}], "another pod may connect to redis"),
        ("trial", "history", "spec/egress", [{}], "history may connect to an address outside"),
        ("trial", "default", "spec/podSelector", {"matchLabels": {"a": "b"}}, "no policy for"),
        ("trial", "default", "spec/egress", [], "names are not resolved"),
    ],
)
def test_a_planted_fault_is_found(
    name: str, policy: str, path: str, value: Any, fault: str
) -> None:
    flows = cases()[name].flows
    where = f"NetworkPolicy/madang-{policy}"
    if path.endswith("/-"):
        path = path.removesuffix("/-")
        (item,) = (item for item in flows.manifests.objects if title(item) == where)
        value = [*item["spec"]["egress"], value]

    faults = replace(flows, manifests=planted(flows.manifests, where, path, value)).faults()

    assert any(fault in found for found in faults) if fault else not faults, faults


def policy(**spec: Any) -> dict[str, Any]:
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": "policy"},
        "spec": {"podSelector": {"matchLabels": {"app": "a"}}, **spec},
    }


A = Peer("a", "ns", {"app": "a"})
B = Peer("b", "ns", {"app": "b", "tier": "x"})
ELSEWHERE = Peer("c", "elsewhere", {"app": "b"})
ADDRESS = Peer("address", address="10.1.2.3")


def ingress(*peers: dict[str, Any], **rule: Any) -> dict[str, Any]:
    return policy(policyTypes=["Ingress"], ingress=[{"from": list(peers), **rule}])


@pytest.mark.parametrize(
    ("rule", "source", "port", "allowed"),
    [
        (ingress(), ADDRESS, 80, True),
        (policy(policyTypes=["Ingress"]), B, 80, False),
        (policy(policyTypes=["Egress"]), B, 80, True),
        (policy(), B, 80, False),
        (ingress({"podSelector": {"matchLabels": {"app": "b"}}}), B, 80, True),
        (ingress({"podSelector": {"matchLabels": {"app": "b"}}}), ELSEWHERE, 80, False),
        (ingress({"namespaceSelector": {}}), ELSEWHERE, 80, True),
        (ingress({"namespaceSelector": {}}), ADDRESS, 80, False),
        (
            ingress({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "x"}}}),
            ELSEWHERE,
            80,
            False,
        ),
        (
            ingress({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ns"}}}),
            ELSEWHERE,
            80,
            False,
        ),
        (
            ingress({"podSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}}),
            B,
            80,
            True,
        ),
        (ingress({"ipBlock": {"cidr": "10.0.0.0/8"}}), ADDRESS, 80, True),
        (
            ingress({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}),
            ADDRESS,
            80,
            False,
        ),
        (ingress(ports=[{"port": 80}]), B, 80, True),
        (ingress(ports=[{"port": 80}]), B, 81, False),
        (ingress(ports=[{"port": 80, "endPort": 90}]), B, 85, True),
        (ingress(ports=[{"port": 80, "protocol": "UDP"}]), B, 80, False),
        (ingress(ports=[{"port": "unknown"}]), B, 80, False),
    ],
)
def test_policies_are_evaluated_as_kubernetes_does(
    rule: dict[str, Any], source: Peer, port: int, *, allowed: bool
) -> None:
    network = Network(Manifests((rule,)), "ns")

    assert network.allows(source, A, port) is allowed
