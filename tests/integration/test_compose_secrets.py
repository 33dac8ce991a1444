"""The secrets of docker-compose.yml: how they are made, and which container has which."""

import re
import stat
import subprocess
from pathlib import Path

import pytest

from madang_common.log import definitions
from madang_rooms.storage import grants
from tests.support.compose_file import OURS, PARTS, SECRETS, environment
from tests.support.deployment import ROOT, VARIABLE, compose_text, example, read_env

SECRET = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|_URL$")
USERS = {
    "gateway-1": {"AMQP": "madang-gateway"},
    "gateway-2": {"AMQP": "madang-gateway"},
    "auth": {"AMQP": "madang-auth"},
    "rooms": {"AMQP": "madang-rooms", "DATABASE": "madang_rooms"},
    "rooms-migrate": {"DATABASE": "madang_migrate"},
    "history-1": {"AMQP": "madang-history", "MONGO": "madang_history"},
    "history-2": {"AMQP": "madang-history", "MONGO": "madang_history"},
    "log-setup": {"AMQP": "madang-setup"},
    "dead-letters": {"AMQP": "madang-operator"},
    "rooms-compare": {"AMQP": "madang-operator", "DATABASE": "madang_rooms"},
}
"""The user that each container has on each server."""
GENERATED = {"rabbitmq": {"definitions.json"}, "mysql": {"grants.sql"}}


def secrets_volume(name: str) -> str | None:
    """Return the volume with the secrets of a container, None if it has none."""
    mounted = [volume.split(":") for volume in PARTS[name].get("volumes", [])]
    found = [source for source, target, *_ in mounted if target == "/run/secrets/madang"]
    return found[0] if found else None


def test_every_variable_of_the_file_is_in_the_example() -> None:
    used = {name for name, _, _ in VARIABLE.findall(compose_text())}

    assert used == example().keys()
    assert not [name for name in used if SECRET.search(name) and name != "SECRETS_DIR"]


def test_no_secret_is_in_an_environment() -> None:
    for name, part in PARTS.items():
        for variable, value in part.get("environment", {}).items():
            if SECRET.search(variable.upper()):
                plain = re.fullmatch(r"http://[a-z]+:8000|/var/lib/madang/keys", value)
                assert value.startswith("/run/secrets/madang") or plain, f"{name}: {variable}"


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_container_has_its_own_users(name: str) -> None:
    found = re.findall(
        r"MADANG_([A-Z]+)_USER=(.*)", "\n".join(map("=".join, environment(name).items()))
    )

    assert dict(found) == USERS.get(name, {})


def distributed() -> dict[str, dict[str, str]]:
    """Return what the job `secrets` copies, as `SECRETS` is, and check that it names the owners."""
    script = (ROOT / "deploy/compose/distribute.sh").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    loop: list[str] = []
    for line in script.splitlines():
        if opened := re.fullmatch(r"for service in (.*); do", line):
            loop = opened[1].split()
        elif line == "done":
            loop = []
        elif copied := re.fullmatch(r" *copy \$(\w+) (\S+) (\S+) (\S+)", line):
            for service in loop or [""]:
                _, container, file, source = (
                    part.replace("$service", service) for part in copied.groups()
                )
                found.setdefault(container, {})[file] = source
    return found


def test_every_container_gets_its_own_secrets_and_no_others() -> None:
    by_volume = {
        target.removeprefix("/target/"): volume
        for volume, target, *_ in (mount.split(":") for mount in PARTS["secrets"]["volumes"])
        if target.startswith("/target/")
    }
    found = distributed()

    expected = {name.removesuffix("-1"): files for name, files in SECRETS.items()}
    assert found == expected
    assert by_volume.keys() == expected.keys() | GENERATED.keys()
    for name in PARTS.keys() - {"secrets"}:
        volume = secrets_volume(name)
        container = re.sub(r"-[12]$", "", name)
        assert volume == by_volume.get(container), name
        users = [other for other in PARTS if secrets_volume(other) == volume]
        if volume is not None:
            assert {re.sub(r"-[12]$", "", other) for other in users} == {container}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_file_of_a_secret_is_one_that_the_container_gets(name: str) -> None:
    container = re.sub(r"-[12]$", "", name)
    files = {*distributed().get(container, {}), *GENERATED.get(container, ())}
    texts = [*PARTS[name].get("environment", {}).values(), *PARTS[name].get("command", [])]
    used = {found for text in texts for found in re.findall(r"/run/secrets/madang/([\w.]+)", text)}

    assert used <= files
    if name != "secrets" and secrets_volume(name) is not None:
        assert "secrets" in waits_for(name)


def waits_for(name: str) -> set[str]:
    """Return everything that has to come before a container."""
    needed = set(PARTS[name].get("depends_on", {}))
    if PARTS[name].get("profiles"):
        return needed | {"secrets"}  # an operator runs it while all runs
    return needed.union(*(waits_for(other) for other in needed))


def write_env(folder: Path) -> dict[str, str]:
    scripts, file = ROOT / "deploy/compose", folder / ".env"
    for command in (
        [scripts / "secrets.sh", folder / "secrets", file],
        [scripts / "env.sh", ROOT / ".env.example", file],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return read_env(file)


def secrets_in(folder: Path) -> dict[str, str]:
    """Return the secret files by their path."""
    found = {path for path in (folder / "secrets").rglob("*") if path.is_file()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    return {str(path.relative_to(folder / "secrets")): path.read_text("utf-8") for path in found}


def test_secrets_are_made_once(tmp_path: Path) -> None:
    settings = write_env(tmp_path)
    made = secrets_in(tmp_path)

    assert settings == example()
    sources = {source for files in distributed().values() for source in files.values()}
    # These become definitions and statements.
    assert made.keys() == sources | {f"rabbitmq/{name}" for name in definitions.USERS}
    assert {f"mysql/{name}" for name in grants.RIGHTS} <= made.keys()
    assert len({*made.values()}) == len(made)
    assert all(re.fullmatch(r"[0-9a-f]{48}", secret) for secret in made.values())
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert write_env(tmp_path) == settings
    assert secrets_in(tmp_path) == made


def test_an_older_file_of_settings_gets_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nHTTPS_PORT=443\nHTTP_PORT=80", encoding="utf-8")

    made = write_env(tmp_path)

    assert (made["HTTPS_PORT"], made["HTTP_PORT"]) == ("443", "80")
    assert made.keys() == example().keys()


@pytest.mark.parametrize("written", ["'old one'", '"old one"', "old one\r", "'old one'\r"])
def test_the_quotes_of_an_older_file_are_no_part_of_a_secret(tmp_path: Path, written: str) -> None:
    text = f"MONGO_ROOT_PASSWORD={written}\n"
    (tmp_path / ".env").write_text(text, encoding="utf-8", newline="")

    write_env(tmp_path)

    assert secrets_in(tmp_path)["mongo/root"] == "old one"


def test_the_secrets_of_an_older_version_are_moved_into_files(tmp_path: Path) -> None:
    kept = {
        "GATEWAY_SECRET": "services/gateway",
        "ROOMS_SECRET": "services/rooms",
        "HISTORY_SECRET": "services/history",
        "MONGO_ROOT_PASSWORD": "mongo/root",
        "MONGO_KEY": "mongo/key",
        "REDIS_PASSWORD": "redis/password",
        "GRAFANA_PASSWORD": "grafana/admin",
    }
    dropped = ("AUTH_SECRET", "RABBITMQ_PASSWORD", "MYSQL_PASSWORD", "MONGO_PASSWORD")
    old = ["# mine", "HTTPS_PORT=443", "# Passwords of the servers. They are used in URLs."]
    old += [f"{name}=old-{name}" for name in (*kept, *dropped)]
    (tmp_path / ".env").write_text("\n".join(old), encoding="utf-8")

    settings = write_env(tmp_path)

    made = secrets_in(tmp_path)
    assert {name: made[path] for name, path in kept.items()} == {
        name: f"old-{name}" for name in kept
    }
    text = (tmp_path / ".env").read_text(encoding="utf-8")
    assert "old-" not in text
    assert not [secret for secret in made.values() if secret in text]
    assert text.startswith("# mine\nHTTPS_PORT=443\nFORMER_USER=madang\n")
    assert settings.keys() == example().keys()
    assert write_env(tmp_path) == settings
