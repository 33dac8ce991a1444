"""docker-compose.yml and the settings classes, compared; networks, limits and rights."""

import json
import os
import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml

from madang_auth.settings import AuthSettings
from madang_common.settings import CommonSettings
from stack.service import SETTINGS
from tests.support import proxy
from tests.support.compose_file import (
    COMPOSE,
    DOCKERFILES,
    GIVEN,
    IMAGES,
    JOBS,
    OURS,
    PARTS,
    RUNNING,
    SECRETS,
    SERVING,
    environment,
    networks_of,
)
from tests.support.deployment import ROOT

ReadSettings = Callable[[str], CommonSettings]
SERVERS = {
    "gateway": {"amqp", "redis"},
    "auth": {"amqp", "redis", "signing_keys_dir"},
    "rooms": {"amqp", "database"},
    "history": {"amqp", "mongo"},
}
"""Settings without a default that each service needs on the real servers."""
ROOT_FOR_A_REASON = {"certificate", "secrets"}
CLIENTS = {
    "rabbitmq": {
        "gateway-1",
        "gateway-2",
        "auth",
        "rooms",
        "history-1",
        "history-2",
        "log-setup",
        "dead-letters",
        "rooms-compare",
        "prometheus",
    },
    "mysql": {"rooms", "rooms-migrate", "rooms-compare"},
    "mongo": {"history-1", "history-2", "mongo-setup"},
    "redis": {"gateway-1", "gateway-2", "auth"},
}
"""The containers that share a network with each server."""


@pytest.fixture
def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], CommonSettings]:
    """Give a function that reads the settings as the process in that container would."""

    def read(name: str) -> CommonSettings:
        for variable in list(os.environ):
            if variable.startswith("MADANG_"):
                monkeypatch.delenv(variable)
        files = SECRETS.get(name) or SECRETS[name.replace("-2", "-1")]
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for file, secret in files.items():
            (folder / file).write_text(f"secret of {secret}", encoding="utf-8")
        for variable, value in environment(name).items():
            monkeypatch.setenv(variable, value.replace("/run/secrets/madang", str(folder)))
        return SETTINGS[OURS[name]]()

    return read


def test_the_parts_that_the_design_names_are_there() -> None:
    assert SERVING == ["auth", "gateway-1", "gateway-2", "history-1", "history-2", "rooms"]
    servers = {"nginx", "rabbitmq", "mysql", "mongo", "redis"}
    servers |= {"prometheus", "alertmanager", "grafana"}
    assert {*SERVING, *servers} == RUNNING
    of_servers = {"log-setup", "mongo-setup", "rooms-migrate"}
    of_operators = {"dead-letters", "rooms-compare"}
    assert {"certificate", "secrets", "signing-keys", *of_servers, *of_operators} == JOBS


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_a_setting_of_its_service(name: str) -> None:
    fields = {f"MADANG_{field.upper()}" for field in SETTINGS[OURS[name]].model_fields}
    fields |= {f"{field}_FILE" for field in fields}

    given = {variable for variable in environment(name) if variable.startswith("MADANG_")}

    assert given <= fields


@pytest.mark.parametrize("name", SERVING)
def test_every_container_gets_what_its_service_needs(name: str, settings_of: ReadSettings) -> None:
    settings = settings_of(name)

    assert settings.environment == "production"
    assert settings.host == "0.0.0.0"
    for needed in SERVERS[OURS[name]]:
        assert getattr(settings, needed) is not None, needed


def test_services_know_each_others_secrets(settings_of: ReadSettings) -> None:
    auth = settings_of("auth")
    assert isinstance(auth, AuthSettings)

    for name in ("gateway-1", "rooms", "history-1"):
        asking = settings_of(name)
        assert asking.service_client_secret == auth.service_secrets[OURS[name]]


def hosts_of(name: str) -> set[str]:
    """Return the names by which a container is found."""
    networks = PARTS[name].get("networks", [])
    options = networks.values() if isinstance(networks, dict) else []
    return {name} | {alias for option in options for alias in option.get("aliases", [])}


@pytest.mark.parametrize("name", SERVING)
def test_every_address_is_that_of_a_container_on_the_same_network(name: str) -> None:
    ports = {"rabbitmq": 5672, "mysql": 3306, "mongo": 27017, "redis": 6379}
    ports |= {serving: int(environment(serving)["MADANG_PORT"]) for serving in SERVING}
    given = environment(name)
    addresses = [value.partition("//")[2] for key, value in given.items() if key.endswith("_URL")]
    addresses += [
        f"{value}:{ports[value]}"
        for key, value in given.items()
        if re.fullmatch("MADANG_[A-Z]+_HOSTS?", key) and key != "MADANG_ALLOWED_HOSTS"
    ]

    assert len(addresses) == 5
    for url in addresses:
        host, port = url.partition(":")[0], int(url.partition(":")[2])
        reached = [other for other in PARTS if host in hosts_of(other)]
        assert reached, url
        for other in reached:
            assert port == ports[other], url
            assert networks_of(name) & networks_of(other), url


def test_the_proxy_is_the_one_whose_word_is_believed(settings_of: ReadSettings) -> None:
    address = PARTS["nginx"]["networks"]["services"]["ipv4_address"]

    for name in SERVING:
        assert settings_of(name).proxy_addresses == (address,)


def test_what_the_proxy_knows_keeps_its_address() -> None:
    (pool,) = COMPOSE["networks"]["services"]["ipam"]["config"]
    others = ip_network(pool["ip_range"])

    kept = [PARTS[name]["networks"]["services"]["ipv4_address"] for name in (*SERVING, "nginx")]

    assert len(set(kept)) == len(SERVING) + 1
    for address in map(ip_address, kept):
        assert address in ip_network(pool["subnet"])
        assert address not in others


def test_the_proxy_and_prometheus_reach_every_replica() -> None:
    settings = proxy.defaults() | PARTS["nginx"]["environment"]
    proxied = re.findall(r"server ([a-z0-9:-]+) resolve", " ".join(settings.values()))
    groups = json.loads((ROOT / "deploy/prometheus/targets.json").read_text(encoding="utf-8"))
    scraped = [target for group in groups for target in group["targets"]]
    replicas = [f"{name}:{environment(name)['MADANG_PORT']}" for name in SERVING]

    assert sorted(proxied) == replicas
    assert sorted(scraped) == sorted([*replicas, "rabbitmq:15692"])
    for group in groups:
        for target in group["targets"]:
            assert target.startswith(group["labels"]["job"])
    assert "rabbitmq" in networks_of("prometheus")


def test_only_prometheus_reaches_alertmanager() -> None:
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8")
    (sent_to,) = yaml.safe_load(text)["alerting"]["alertmanagers"]

    assert sent_to == {"static_configs": [{"targets": ["alertmanager:9093"]}]}
    assert networks_of("alertmanager") == {"alerting"}
    assert {name for name in PARTS if "alerting" in networks_of(name)} == {
        "prometheus",
        "alertmanager",
    }


def test_the_proxy_finds_its_certificate_and_its_ports() -> None:
    settings = proxy.defaults() | PARTS["nginx"]["environment"]
    job = PARTS["certificate"]["command"][0]
    published = {port.rpartition(":")[2] for port in PARTS["nginx"]["ports"]}

    assert "certificate:/run/certificate:ro" in PARTS["nginx"]["volumes"]
    assert settings["PROXY_CERTIFICATE"] == "/run/certificate/certificate.pem"
    assert settings["PROXY_CERTIFICATE_KEY"] == "/run/certificate/certificate.key"
    assert "cd /run/certificate" in job
    assert published == {settings["PROXY_HTTPS_LISTEN"], settings["PROXY_HTTP_LISTEN"]}
    assert settings["PROXY_PUBLIC_PORT"] == f":{GIVEN['HTTPS_PORT']}"
    user, _, group = PARTS["nginx"]["user"].partition(":")
    assert f"chown {user}:{group} " in job


@pytest.mark.parametrize("server", sorted(CLIENTS))
def test_only_its_clients_share_a_network_with_a_server(server: str) -> None:
    reaching = {name for name in PARTS if networks_of(name) & networks_of(server)}

    assert networks_of(server) == {server}
    assert reaching == CLIENTS[server] | {server}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_container_is_held_down(name: str) -> None:
    part = PARTS[name]

    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in part
    if name in ROOT_FOR_A_REASON:
        assert part["cap_add"] == ["CHOWN", "DAC_READ_SEARCH"]
        assert part["network_mode"] == "none"
        return
    assert "cap_add" not in part
    own = DOCKERFILES[OURS[name]].last_stage("USER")[-1] if name in OURS else ""
    user = part.get("user", own)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), user


@pytest.mark.parametrize("name", sorted(RUNNING))
def test_what_runs_is_limited_checked_and_started_again(name: str) -> None:
    part = PARTS[name]

    assert part["restart"] == "unless-stopped"
    assert part["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    if name in OURS:
        assert DOCKERFILES[OURS[name]].last_stage("HEALTHCHECK")
    else:
        assert part["healthcheck"].keys() >= {"test", "interval", "timeout", "start_period"}


@pytest.mark.parametrize("name", sorted(JOBS))
def test_a_job_is_limited(name: str) -> None:
    assert PARTS[name]["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_what_it_waits_for_comes(name: str) -> None:
    for needed, how in PARTS[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if needed in JOBS else "service_healthy"
        assert how == {"condition": expected}, needed


@pytest.mark.parametrize("name", sorted(PARTS))
def test_images_are_pinned(name: str) -> None:
    image = PARTS[name]["image"]

    if name in OURS:
        built = PARTS[name]["build"]
        assert ROOT / built["context"] / built["dockerfile"] == DOCKERFILES[OURS[name]].path
    else:
        assert image in {str(pinned) for pinned in IMAGES.values()}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_what_is_mounted_from_here_is_here_and_not_to_be_written(name: str) -> None:
    for volume in PARTS[name].get("volumes", []):
        source, _, rest = volume.partition(":")
        if source.startswith("."):
            assert rest.endswith(":ro"), volume
            made = {GIVEN["CERTIFICATE_DIR"], GIVEN["SECRETS_DIR"]}
            assert source in made or (ROOT / source).exists(), volume
        else:
            assert source in COMPOSE["volumes"], volume


def test_only_the_proxy_and_the_monitors_can_be_reached_from_outside() -> None:
    networks = {name: options.get("internal") for name, options in COMPOSE["networks"].items()}
    open_ones = dict.fromkeys(["outside", "alerting"])
    assert networks == dict.fromkeys(["services", *CLIENTS], True) | open_ones
    outside = {name for name in PARTS if networks_of(name) & open_ones.keys()}
    assert outside == {"nginx", "prometheus", "alertmanager", "grafana"}
    assert {name for name, part in PARTS.items() if "ports" in part} == outside
    for name in ("prometheus", "alertmanager", "grafana"):
        assert all(port.startswith("127.0.0.1:") for port in PARTS[name]["ports"])
