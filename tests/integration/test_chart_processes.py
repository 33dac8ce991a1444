"""The real processes answer the probes, and use the ports, that the chart says."""

from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from stack.servers import Server
from stack.servers.deadline import wait_until
from stack.service import SETTINGS, Service
from stack.stack import Stack
from tests.helm.cases import cases
from tests.helm.flows import USES

pytestmark = pytest.mark.parametrize("service", SETTINGS)
_SECONDS = 20


def process_of(stack: Stack, service: str) -> Service:
    return next(part for part in stack.services if part.kind == service)


def asked(service: str) -> Iterator[str]:
    """Yield the paths that the kubelet and Prometheus request of a service."""
    manifests = cases()["monitoring"].manifests
    (container,) = manifests.named("Deployment")[f"madang-{service}"]["spec"]["template"]["spec"][
        "containers"
    ]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        yield container[name]["httpGet"]["path"]
    for monitor in manifests.of("ServiceMonitor"):
        yield from (endpoint["path"] for endpoint in monitor["spec"]["endpoints"])


def test_it_answers_what_probes_and_prometheus_ask(stack: Stack, service: str) -> None:
    paths = list(asked(service))

    assert len(paths) >= 4
    for path in paths:
        assert status(stack, service, path) == httpx.codes.OK, path
        assert status(stack, service, f"{path}x") != httpx.codes.OK


def status(stack: Stack, service: str, path: str) -> int:
    url = f"{process_of(stack, service).url}{path}"
    return httpx.get(url, timeout=_SECONDS, trust_env=False).status_code


def test_it_listens_on_one_port(stack: Stack, service: str) -> None:
    process = process_of(stack, service)

    listening = {
        socket.laddr.port for socket in sockets(process) if socket.status == psutil.CONN_LISTEN
    }

    assert listening == {process.port}


def test_it_connects_to_the_servers_that_policies_allow(stack: Stack, service: str) -> None:
    process = process_of(stack, service)
    servers: dict[str, Server] = {
        "AMQP": stack.rabbitmq,
        "DATABASE": stack.mariadb,
        "MONGO": stack.mongodb,
        "REDIS": stack.redis,
    }

    def connected() -> set[str]:
        ports = {socket.raddr.port for socket in sockets(process) if socket.raddr}
        return {prefix for prefix, server in servers.items() if server.port in ports}

    assert wait_until(lambda: connected() >= USES[service], seconds=_SECONDS), connected()
    assert connected() == USES[service]


def sockets(process: Service) -> list[Any]:
    assert process.process is not None
    return list(psutil.Process(process.process.pid).net_connections("tcp"))
