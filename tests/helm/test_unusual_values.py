"""Values that are legal and unusual: they do not open what was closed, and stay valid."""

import json
import shlex
from pathlib import Path

import pytest

from contracts.chart.manifests import Manifests, title
from contracts.chart.rendering import CHART, NAMESPACE, RenderError, helm, options, release
from tests.helm import references, schema
from tests.helm.cases import cases
from tests.helm.flows import http_port
from tests.helm.policies import Network, Peer

_STRANGERS = (
    Peer("another pod", "other", {"app": "other"}),
    Peer("an address outside", address="203.0.113.9"),
)


def rendered(case: str, values: str, folder: Path) -> Manifests:
    """Return the objects of a case with more values."""
    more = folder / "values.yaml"
    more.write_text(values, encoding="utf-8")
    return release(cases()[case].path, more)


@pytest.mark.parametrize("case", ["httproute", "ingress", "url"])
def test_an_empty_list_of_sources_admits_nobody(case: str, tmp_path: Path) -> None:
    values = "networkPolicy: {publicFrom: [], metricsFrom: []}\n"

    manifests = rendered(case, values, tmp_path)

    network = Network(manifests, NAMESPACE)
    for workload in manifests.workloads:
        if workload.kind == "Deployment":
            target = Peer.of(workload, NAMESPACE)
            for source in _STRANGERS:
                assert not network.allows(source, target, http_port(workload)), workload.title


@pytest.mark.parametrize(
    ("case", "name"), [("trial", "true"), ("monitoring", "null"), ("httproute", "x" * 53)]
)
def test_names_are_texts(case: str, name: str) -> None:
    text = helm("template", name, CHART, *options(cases()[case].path), "--namespace", "1e3")

    manifests = Manifests.parse(text)

    assert not schema.faults(manifests)
    for item in manifests.objects:
        assert item["metadata"]["namespace"] == "1e3", title(item)
    for workload in manifests.workloads:
        assert workload.labels["app.kubernetes.io/instance"] == name, workload.title


def test_secrets_with_numbers_as_names_are_named(tmp_path: Path) -> None:
    values = 'redis: {existingSecret: "123", secretKeys: {password: "456"}}\n'

    manifests = rendered("external", values, tmp_path)

    assert not schema.faults(manifests)
    assert "Deployment/madang-gateway: there is no Secret 123" in references.object_faults(
        manifests, frozenset()
    )


@pytest.mark.parametrize("name", ["1st", "my.chat"])
def test_a_name_that_services_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(RenderError, match="fullnameOverride: "):
        helm("template", name, CHART, *options(cases()["trial"].path))


def test_an_existing_service_account_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"auth\.serviceAccount\.name is required"):
        rendered("trial", "auth: {serviceAccount: {create: false}}\n", tmp_path)


@pytest.mark.parametrize(("version", "policy"), [("1.37", "AlwaysAllow"), ("1.26", None)])
def test_pods_that_are_not_ready_may_be_evicted(version: str, policy: str | None) -> None:
    path = cases()["httproute"].path
    text = helm("template", "madang", CHART, *options(path), "--kube-version", version)

    budgets = Manifests.parse(text).of("PodDisruptionBudget")

    assert budgets
    assert {budget["spec"].get("unhealthyPodEvictionPolicy") for budget in budgets} == {policy}


def test_names_in_a_script_are_one_word_each(tmp_path: Path) -> None:
    name = "-it's; $(exit 3)"
    values = json.dumps({"mysql": {"database": name}, "rabbitmq": {"vhost": name}})

    manifests = rendered("trial", values, tmp_path)

    for server, option in (("mysql", "--database"), ("rabbitmq", "--vhost")):
        pod = manifests.named("StatefulSet")[f"madang-{server}"]["spec"]["template"]["spec"]
        words = shlex.split(pod["initContainers"][0]["command"][-1].splitlines()[0])
        assert f"{option}={name}" in words


@pytest.mark.parametrize(("service", "seconds"), [("gateway", 300.5), ("history", 60)])
def test_a_pod_may_wait_for_its_servers(service: str, seconds: float, tmp_path: Path) -> None:
    values = '{gateway: {settings: {MADANG_START_SECONDS: "300.5"}}}'

    manifests = rendered("trial", values, tmp_path)

    pod = manifests.named("Deployment")[f"madang-{service}"]["spec"]["template"]["spec"]
    probe = pod["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > 2 * seconds


@pytest.mark.parametrize("port", [5671, 5672])
def test_a_url_may_use_tls(port: int) -> None:
    network = Network(cases()["url"].manifests, NAMESPACE)

    (gateway,) = (part for part in network.manifests.workloads if part.title.endswith("-gateway"))

    server = Peer("RabbitMQ", address="203.0.113.9")
    assert network.allows(Peer.of(gateway, NAMESPACE), server, port)


def test_a_port_that_the_probes_do_not_ask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="settings: MADANG_PORT cannot be changed"):
        rendered("trial", 'rooms: {settings: {MADANG_PORT: "9000"}}\n', tmp_path)
