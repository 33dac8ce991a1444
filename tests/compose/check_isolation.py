"""What containers reach and who can read their secrets; `python -m tests.compose test` runs it."""

import json

import pytest

from tests.compose.composed import Composed
from tests.compose.place import composed

PORTS = {"rabbitmq": 5672, "mysql": 3306, "mongo": 27017, "redis": 6379}
REACHED = {
    "gateway-1": {"rabbitmq", "redis"},
    "gateway-2": {"rabbitmq", "redis"},
    "auth": {"rabbitmq", "redis"},
    "rooms": {"rabbitmq", "mysql"},
    "history-1": {"rabbitmq", "mongo"},
    "history-2": {"rabbitmq", "mongo"},
}
"""The servers that each container of our own can connect to."""
# By address, because a name is known only on a common network.
_CONNECT = """
import socket, sys
for address in sys.argv[1:]:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
        print(address)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def product() -> Composed:
    return composed()


@pytest.fixture(scope="module")
def inspected(product: Composed) -> str:
    """Give what `docker inspect` shows of all containers, of the jobs too."""
    containers = product.compose("ps", "--all", "--quiet").split()
    assert len(containers) > len(REACHED)
    return product.engine.docker("inspect", *containers)


@pytest.mark.parametrize("name", REACHED)
def test_a_container_of_compose_reaches_only_its_servers(
    product: Composed, inspected: str, name: str
) -> None:
    addresses = {
        f"{network['IPAddress']}:{PORTS[server]}": server
        for container in json.loads(inspected)
        if (server := container["Config"]["Labels"]["com.docker.compose.service"]) in PORTS
        for network in container["NetworkSettings"]["Networks"].values()
    }

    answered = product.compose("exec", "-T", name, "python", "-c", _CONNECT, *addresses).split()

    assert {addresses[address] for address in answered} == REACHED[name]
    assert len(answered) == len(REACHED[name])


def test_docker_inspect_shows_no_secret_of_compose(product: Composed, inspected: str) -> None:
    secrets = [path.read_text() for path in product.secrets.rglob("*") if path.is_file()]

    assert len(secrets) > len(PORTS)
    assert not [secret for secret in secrets if secret in inspected]


@pytest.mark.parametrize("name", REACHED)
def test_a_container_of_compose_reads_its_own_secrets(product: Composed, name: str) -> None:
    listed = product.compose(
        "exec", "-T", name, "sh", "-c", "stat -c '%a %u' /run/secrets/madang/*"
    )

    assert set(listed.splitlines()) == {"600 10001"}
