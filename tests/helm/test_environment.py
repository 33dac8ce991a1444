"""The environment of every container is that of its service: the settings classes accept it."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import madang_auth.__main__
import madang_rooms.__main__
from contracts.chart.manifests import Manifests
from stack.service import SETTINGS
from tests.helm import environment, pods
from tests.helm.cases import planted
from tests.helm.environment import ours
from tests.helm.flows import http_port

_PARSERS = {"auth": madang_auth.__main__._parser, "rooms": madang_rooms.__main__._parser}
_GATEWAY = "Deployment/madang-gateway"
_ENV = "spec/template/spec/containers/[gateway]/env"
_PASSWORD = f"{_ENV}/[MADANG_AMQP_PASSWORD_FILE]"


def test_the_settings_accept_every_environment(manifests: Manifests, folder: Path) -> None:
    assert {found.service for found in ours(manifests)} == SETTINGS.keys()
    assert not environment.faults(manifests, folder)


def test_commands_are_those_of_the_services(manifests: Manifests) -> None:
    for found in ours(manifests):
        command = found.container.get("command", [])
        if command[:2] == ["python", "-m"]:
            assert find_spec(command[2]) is not None, found.title
        elif not command and "args" in found.container:
            _PARSERS[found.service]().parse_args(found.container["args"])


def test_processes_listen_on_the_declared_port(manifests: Manifests, folder: Path) -> None:
    for found in ours(manifests):
        settings = found.settings(folder / found.service) if found.serves else None
        if settings is not None:
            assert (settings.host, settings.port) == ("0.0.0.0", http_port(found.workload))


def test_pods_live_longer_than_they_drain(manifests: Manifests, folder: Path) -> None:
    drains = environment.drain_seconds(manifests, folder)

    assert len(drains) == len(SETTINGS)
    assert not pods.grace_faults(manifests, drains)


@pytest.mark.parametrize(
    ("where", "path", "value", "fault"),
    [
        (_GATEWAY, f"{_ENV}/[MADANG_AMQP_PORT]/name", "MADANG_AMQP_PROT", "is no setting"),
        (_GATEWAY, f"{_ENV}/[MADANG_AMQP_PORT]/value", "amqp", "valid integer"),
        (_GATEWAY, f"{_ENV}/[MADANG_AMQP_HOSTS]", {"name": "A"}, "needs MADANG_AMQP_HOSTS"),
        (_GATEWAY, f"{_PASSWORD}/value", "/run/password", "is in no volume"),
        (_GATEWAY, f"{_PASSWORD}/value", "/run/secrets/madang/credentials/x", "is no file of"),
        (_GATEWAY, f"{_PASSWORD}/name", "MADANG_AMQP_PASSWORD", "must be a file"),
        ("ConfigMap/madang-gateway", "data/MADANG_DRAIN_SECONDS", "-1", "greater than or equal"),
        ("ConfigMap/madang-rooms", "data/MADANG_DRAIN_SECONDS", "1", "is no setting of rooms"),
    ],
)
def test_a_planted_fault_is_found(
    external: Manifests, folder: Path, where: str, path: str, value: Any, fault: str
) -> None:
    faults = environment.faults(planted(external, where, path, value), folder)

    assert any(fault in found for found in faults), faults


@pytest.mark.parametrize("service", SETTINGS)
def test_a_server_that_is_not_configured_is_found(
    external: Manifests, folder: Path, service: str
) -> None:
    path = f"spec/template/spec/containers/[{service}]/env"
    deployment = external.named("Deployment")[f"madang-{service}"]
    (container,) = (
        part
        for part in deployment["spec"]["template"]["spec"]["containers"]
        if part["name"] == service
    )
    others = [part for part in container["env"] if "_AMQP_" not in part["name"]]

    faults = environment.faults(
        planted(external, f"Deployment/madang-{service}", path, others), folder
    )

    assert faults == [f"Deployment/madang-{service}: container {service}: amqp is not set"]


def test_a_short_grace_period_is_found(external: Manifests, folder: Path) -> None:
    short = planted(external, _GATEWAY, "spec/template/spec/terminationGracePeriodSeconds", 20)

    faults = pods.grace_faults(short, environment.drain_seconds(short, folder))

    assert len(faults) == 1
    assert faults[0].startswith(f"{_GATEWAY}: grace period 20 s")
