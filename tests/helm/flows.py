"""Checks that the NetworkPolicies allow the documented connections and no others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from contracts.chart.manifests import Manifests, Workload
from tests.helm.environment import OurContainer, ours
from tests.helm.policies import Network, Peer

CALLS: Mapping[str, frozenset[str]] = {
    "gateway": frozenset({"auth", "rooms", "history"}),
    "auth": frozenset({"rooms"}),
    "rooms": frozenset({"auth", "history"}),
    "history": frozenset({"auth", "rooms"}),
}
"""The services that each service calls over HTTP."""
USES: Mapping[str, frozenset[str]] = {
    "gateway": frozenset({"AMQP", "REDIS"}),
    "auth": frozenset({"AMQP", "REDIS"}),
    "rooms": frozenset({"AMQP", "DATABASE"}),
    "history": frozenset({"AMQP", "MONGO"}),
    "migration": frozenset({"DATABASE"}),
    "log-setup": frozenset({"AMQP"}),
    "web": frozenset(),
    "signing-keys": frozenset(),
}
"""The servers that each component uses, by the prefix of their settings."""
SERVERS = {"AMQP": "rabbitmq", "DATABASE": "mysql", "MONGO": "mongodb", "REDIS": "redis"}
"""The component of each trial server."""
API_SERVER = "KUBERNETES"
"""Name of the API server among the external servers."""
_PORTS = {"AMQP": 5672, "DATABASE": 3306, "MONGO": 27017, "REDIS": 6379}
_COMPONENT = "app.kubernetes.io/component"
_OUTSIDE = Peer("an address outside", address="203.0.113.9")
_DNS = Peer("the name server", "kube-system", {"k8s-app": "kube-dns"})
_STRANGER = Peer("another pod", "other", {"app": "other"})
_TESTS = "test"
"""Component of the pod of `helm test`, which connects as clients do."""


@dataclass(frozen=True)
class Flows:
    """The connections of one installation."""

    manifests: Manifests
    namespace: str
    external: Mapping[str, Peer]
    """Servers outside the installation, and the API server, that policies name; by prefix."""
    api_port: int

    @cached_property
    def components(self) -> dict[str, Workload]:
        """The workloads by their component."""
        found = {pod.labels.get(_COMPONENT, ""): pod for pod in self.manifests.workloads}
        return {name: workload for name, workload in found.items() if name != _TESTS}

    @cached_property
    def network(self) -> Network:
        """Its policies."""
        return Network(self.manifests, self.namespace)

    def faults(self) -> list[str]:
        """Return the connections that the policies allow or deny against the tables above."""
        return [*self._open(), *self._calls(), *self._servers(), *self._others()]

    def _peer(self, component: str) -> Peer:
        return Peer.of(self.components[component], self.namespace)

    def _open(self) -> Iterator[str]:
        """Yield the components that no policy restricts."""
        for component in self.components:
            for direction in ("Ingress", "Egress"):
                if not self.network.is_isolated(self._peer(component), direction):
                    yield f"{component}: no policy for {direction}"

    def _calls(self) -> Iterator[str]:
        proxied = frozenset(CALLS if self._is_proxied() else ())
        for source in (CALLS.keys() | {"web"}) & self.components.keys():
            calls = CALLS.get(source, proxied)
            for target in CALLS.keys() - {source}:
                port = http_port(self.components[target])
                yield from self._expect(source, self._peer(target), port, wanted=target in calls)
                yield from self._expect(source, self._peer(target), 22, wanted=False)

    def _is_proxied(self) -> bool:
        """Return whether all requests from outside come through the bundled nginx."""
        web = self.components.get("web")
        return web is not None and any("proxy" in part.get("args", []) for part in web.main)

    def _servers(self) -> Iterator[str]:
        """Yield the faults between each component and each of the four servers."""
        trial = {prefix for prefix, name in SERVERS.items() if name in self.components}
        ports = {prefix: frozenset({port}) for prefix, port in _PORTS.items()} | self._ports()
        for source in USES.keys() & self.components.keys():
            for prefix, server in SERVERS.items():
                known = self.external.get(prefix, _OUTSIDE)
                target = self._peer(server) if prefix in trial else known
                for port in ports[prefix]:
                    yield from self._expect(source, target, port, wanted=prefix in USES[source])

    def _ports(self) -> dict[str, frozenset[int]]:
        """Return the ports of the servers in the environment of the containers."""
        found: dict[str, frozenset[int]] = {}
        for container in ours(self.manifests):
            for prefix in SERVERS:
                ports = frozenset(_server_ports(container, prefix))
                if ports:
                    found[prefix] = found.get(prefix, frozenset()) | ports
        return found

    def _others(self) -> Iterator[str]:
        """Yield the faults with DNS, with addresses outside and with pods of others."""
        for component in self.components:
            peer = self._peer(component)
            if not self.network.allows(peer, _DNS, 53, "UDP"):
                yield f"{component}: names are not resolved"
            if component != "signing-keys":
                yield from self._expect(component, _OUTSIDE, 443, wanted=False)
        if "signing-keys" in self.components:
            api = self.external.get(API_SERVER, _OUTSIDE)
            yield from self._expect("signing-keys", api, self.api_port, wanted=True)
        if self._is_proxied():
            for service in CALLS:
                yield from self._stranger(service)
        for server in set(SERVERS.values()) & self.components.keys():
            yield from self._stranger(server)

    def _stranger(self, component: str) -> Iterator[str]:
        for port in _declared(self.components[component]):
            if self.network.allows(_STRANGER, self._peer(component), port):
                yield f"{_STRANGER.name} may connect to {component} at port {port}"

    def _expect(self, source: str, target: Peer, port: int, *, wanted: bool) -> Iterator[str]:
        if self.network.allows(self._peer(source), target, port) is not wanted:
            word = "may not" if wanted else "may"
            yield f"{source} {word} connect to {target.name} at port {port}"


def http_port(workload: Workload) -> int:
    """Return the port of a service's container."""
    return next(
        int(port["containerPort"])
        for container in workload.main
        for port in container.get("ports", [])
        if port["name"] == "http"
    )


def _server_ports(container: OurContainer, prefix: str) -> Iterator[int]:
    variables = container.variables
    hosts = variables.get(f"MADANG_{prefix}_HOSTS", variables.get(f"MADANG_{prefix}_HOST", ""))
    for host in hosts.split(",") if hosts else ():
        _, colon, port = host.rpartition(":")
        yield int(port if colon else variables.get(f"MADANG_{prefix}_PORT", _PORTS[prefix]))


def _declared(workload: Workload) -> Iterator[int]:
    for container in workload.main:
        for port in container.get("ports", []):
            yield int(port["containerPort"])
