"""docker-compose.yml, the Dockerfiles and the settings classes, held together."""

import json
import re
import stat
import subprocess
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from madang_auth.settings import AuthSettings
from madang_common.health import Health, health_router
from madang_common.settings import CommonSettings
from madang_gateway.settings import GatewaySettings
from madang_history.settings import HistorySettings
from madang_rooms.settings import RoomsSettings
from tests.support import proxy
from tests.support.deployment import (
    ROOT,
    VARIABLE,
    Dockerfile,
    compose,
    compose_text,
    example,
    read_env,
)

SETTINGS: Mapping[str, type[CommonSettings]] = {
    "gateway": GatewaySettings,
    "auth": AuthSettings,
    "rooms": RoomsSettings,
    "history": HistorySettings,
}
SERVERS = {
    "gateway": {"amqp_url", "redis_url"},
    "auth": {"amqp_url", "redis_url", "signing_keys_dir"},
    "rooms": {"amqp_url", "database_url"},
    "history": {"amqp_url", "mongo_url"},
}
"""Settings without a default that each service needs on the real servers."""
SECRET = re.compile(r"PASSWORD|SECRET|KEY$")
ROOT_FOR_A_REASON = {"certificate"}

GIVEN = {name: value or f"given{number}" for number, (name, value) in enumerate(example().items())}
COMPOSE = compose(GIVEN)
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {
    name: image
    for name, part in PARTS.items()
    if (image := part["image"].partition(":")[0].removeprefix("madang-")) in SETTINGS
}
"""The name of each of our own containers in the compose file, with its service."""
JOBS = {name for name, part in PARTS.items() if part["restart"] == "no"}
RUNNING = PARTS.keys() - JOBS
DOCKERFILES = {name: Dockerfile(ROOT / "services" / name / "Dockerfile") for name in SETTINGS}


def environment(name: str) -> dict[str, str]:
    """Return the command line of a container."""
    given: dict[str, str] = PARTS[name].get("environment", {})
    return DOCKERFILES[OURS[name]].environment | given


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch) -> CommonSettings:
    """Read the settings as the process in that container would."""
    for variable, value in environment(name).items():
        monkeypatch.setenv(variable, value)
    return SETTINGS[OURS[name]]()


SERVING = sorted(name for name in OURS if name in RUNNING)


def test_the_parts_that_the_design_names_are_there() -> None:
    assert SERVING == ["auth", "gateway-1", "gateway-2", "history-1", "history-2", "rooms"]
    servers = {"nginx", "rabbitmq", "mysql", "mongo", "redis", "prometheus", "grafana"}
    assert {*SERVING, *servers} == RUNNING
    assert {"rooms-migrate", "signing-keys", "certificate", "mongo-setup"} == JOBS


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_a_setting_of_its_service(name: str) -> None:
    fields = {f"MADANG_{field.upper()}" for field in SETTINGS[OURS[name]].model_fields}

    given = {variable for variable in environment(name) if variable.startswith("MADANG_")}

    assert given <= fields


@pytest.mark.parametrize("name", SERVING)
def test_every_container_gets_what_its_service_needs(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(name, monkeypatch)

    assert settings.environment == "production"
    assert settings.host == "0.0.0.0"
    for needed in SERVERS[OURS[name]]:
        assert getattr(settings, needed) is not None, needed


def test_services_know_each_others_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = settings_of("auth", monkeypatch)
    assert isinstance(auth, AuthSettings)

    for name in ("gateway-1", "rooms", "history-1"):
        asking = settings_of(name, monkeypatch)
        assert asking.service_client_secret == auth.service_secrets[OURS[name]]


def hosts_of(name: str) -> set[str]:
    """Return the names by which a container is found."""
    networks = PARTS[name].get("networks", [])
    options = networks.values() if isinstance(networks, dict) else []
    return {name} | {alias for option in options for alias in option.get("aliases", [])}


def networks_of(name: str) -> set[str]:
    return set(PARTS[name].get("networks", []))


@pytest.mark.parametrize("name", SERVING)
def test_every_address_is_that_of_a_container_on_the_same_network(name: str) -> None:
    ports = {"rabbitmq": 5672, "mysql": 3306, "mongo": 27017, "redis": 6379}
    ports |= {serving: int(environment(serving)["MADANG_PORT"]) for serving in SERVING}
    urls = [value for key, value in environment(name).items() if key.endswith("_URL")]

    assert len(urls) >= 4
    for url in urls:
        found = re.search(r"(?://|@)([a-z0-9-]+):(\d+)(?:/|$)", url)
        assert found is not None, url
        host, port = found[1], int(found[2])
        reached = [other for other in PARTS if host in hosts_of(other)]
        assert reached, url
        for other in reached:
            assert port == ports[other], url
            assert networks_of(name) & networks_of(other), url


def test_the_proxy_is_the_one_whose_word_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    address = PARTS["nginx"]["networks"]["services"]["ipv4_address"]

    for name in SERVING:
        assert settings_of(name, monkeypatch).proxy_addresses == (address,)


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
    assert "services" in networks_of("prometheus") & networks_of("rabbitmq")


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


def test_no_secret_has_a_default() -> None:
    used = {(name, kind) for name, kind, _ in VARIABLE.findall(compose_text())}
    secrets = {name for name, kind in used if kind == "?"}

    assert {name for name, _ in used} == example().keys()
    assert secrets == {name for name in example() if SECRET.search(name)}
    assert {name for name, value in example().items() if not value} == secrets
    for secret in secrets:
        with pytest.raises(KeyError, match=secret):
            compose({name: value for name, value in GIVEN.items() if name != secret})


def test_no_secret_stands_in_the_file() -> None:
    for name, part in PARTS.items():
        for variable, value in part.get("environment", {}).items():
            if SECRET.search(variable) and variable != "MYSQL_RANDOM_ROOT_PASSWORD":
                assert "given" in value, f"{name}: {variable}"


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
        assert re.search(r":v?\d+\.\d+", image), image


@pytest.mark.parametrize("name", sorted(PARTS))
def test_what_is_mounted_from_here_is_here_and_not_to_be_written(name: str) -> None:
    for volume in PARTS[name].get("volumes", []):
        source, _, rest = volume.partition(":")
        if source.startswith("."):
            assert rest.endswith(":ro"), volume
            assert source == GIVEN["CERTIFICATE_DIR"] or (ROOT / source).exists(), volume
        else:
            assert source in COMPOSE["volumes"], volume


def test_only_the_proxy_and_the_monitors_can_be_reached_from_outside() -> None:
    assert COMPOSE["networks"]["services"]["internal"] is True
    assert COMPOSE["networks"]["data"]["internal"] is True
    outside = {name for name in PARTS if "outside" in networks_of(name)}
    assert outside == {"nginx", "prometheus", "grafana"}
    assert {name for name, part in PARTS.items() if "ports" in part} == outside
    for name in ("prometheus", "grafana"):
        assert all(port.startswith("127.0.0.1:") for port in PARTS[name]["ports"])


@pytest.mark.parametrize("service", sorted(DOCKERFILES))
def test_an_image_is_built_from_pins_and_carries_no_tools(service: str) -> None:
    dockerfile = DOCKERFILES[service]
    copied = [rest.split() for name, rest in dockerfile.instructions if name == "COPY"]

    assert dockerfile.bases == ["python:3.11-slim-bookworm"] * 2
    assert not re.search(r"^#\s*syntax", dockerfile.text, re.MULTILINE)
    assert ["constraints.txt", "./"] in copied
    assert "PIP_CONSTRAINT=/build/constraints.txt" in dockerfile.text
    for source, *_ in (words for words in copied if not words[0].startswith("--")):
        assert (ROOT / source).exists(), source
    assert dockerfile.last_stage("COPY") == ["--from=build /opt/madang /opt/madang"]
    assert not any("pip" in run or "apt" in run for run in dockerfile.last_stage("RUN"))


@pytest.mark.parametrize("service", sorted(DOCKERFILES))
def test_an_image_starts_its_service_so_that_signals_arrive(service: str) -> None:
    project = tomllib.loads((ROOT / f"services/{service}/pyproject.toml").read_text("utf-8"))
    (entrypoint,) = DOCKERFILES[service].last_stage("ENTRYPOINT")

    assert json.loads(entrypoint) == [f"madang-{service}"]
    assert f"madang-{service}" in project["project"]["scripts"]


@pytest.mark.parametrize("service", sorted(DOCKERFILES))
def test_an_image_asks_its_service_where_it_listens(service: str) -> None:
    dockerfile = DOCKERFILES[service]
    (check,) = dockerfile.last_stage("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])[-1]
    paths = {getattr(route, "path", None) for route in health_router(Health({})).routes}

    compile(command, "healthcheck", "exec")
    assert set(re.findall(r"/health/\w+", command)) == {"/health/ready"} <= paths
    assert "os.environ['MADANG_PORT']" in command
    assert dockerfile.last_stage("EXPOSE") == [dockerfile.environment["MADANG_PORT"]]
    assert dockerfile.labels["org.opencontainers.image.title"] == f"madang-{service}"


def test_the_images_differ_in_nothing_but_the_service() -> None:
    def neutral(service: str) -> list[str]:
        described = DOCKERFILES[service].labels["org.opencontainers.image.description"]
        text = DOCKERFILES[service].text.replace(described, "")
        without_keys = re.sub(r"# A volume mounted here.*\nRUN install .*\n", "", text)
        return without_keys.replace(service, "SERVICE").splitlines()

    assert neutral("gateway") == neutral("rooms") == neutral("history") == neutral("auth")


def write_env(folder: Path) -> dict[str, str]:
    script, template = ROOT / "deploy/compose/env.sh", ROOT / ".env.example"
    subprocess.run([script, template, folder / ".env"], check=True, capture_output=True)
    return read_env(folder / ".env")


def test_secrets_are_made_once(tmp_path: Path) -> None:
    made = write_env(tmp_path)
    secrets = [made[name] for name, value in example().items() if not value]

    assert made.keys() == example().keys()
    assert len(set(secrets)) == len(secrets)
    assert all(re.fullmatch(r"[0-9a-f]{48}", secret) for secret in secrets)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert write_env(tmp_path) == made


def test_an_older_file_of_secrets_gets_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nHTTPS_PORT=443\nMYSQL_PASSWORD=kept", encoding="utf-8")

    made = write_env(tmp_path)

    assert (made["HTTPS_PORT"], made["MYSQL_PASSWORD"]) == ("443", "kept")
    assert made.keys() == example().keys()
    assert all(made.values())
