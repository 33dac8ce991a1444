"""Evaluates NetworkPolicies: may a pod open a connection to another, or to an address."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from contracts.chart.manifests import Manifests, Object, Workload
from tests.helm.references import container_port, matches

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Peer:
    """One end of a connection: a pod with its labels, or an address outside the cluster."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] | None = None
    address: str = ""

    @classmethod
    def of(cls, workload: Workload, namespace: str) -> "Peer":
        """Return the pods of a workload as a peer."""
        return cls(workload.title, namespace, workload.labels)


@dataclass(frozen=True)
class Network:
    """The rendered policies of one namespace."""

    manifests: Manifests
    namespace: str

    def allows(self, source: Peer, target: Peer, port: int, protocol: str = "TCP") -> bool:
        """Return whether the egress of `source` and the ingress of `target` allow a connection."""
        named = self._port_names(target)
        return self._side("Egress", source, target, port, named, protocol) and self._side(
            "Ingress", target, source, port, named, protocol
        )

    def is_isolated(self, peer: Peer, direction: str) -> bool:
        """Return whether a policy selects these pods, so that all that is not allowed is denied."""
        return next(self._policies(direction, peer), None) is not None

    def _side(
        self,
        direction: str,
        subject: Peer,
        other: Peer,
        port: int,
        named: Mapping[str, int],
        protocol: str,
    ) -> bool:
        policies = list(self._policies(direction, subject))
        if not policies:
            return True
        field, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
        return any(
            self._has_port(rule, port, named, protocol) and self._has_peer(rule.get(peers), other)
            for policy in policies
            for rule in policy["spec"].get(field) or []
        )

    def _policies(self, direction: str, subject: Peer) -> Iterator[Object]:
        if subject.labels is None or subject.namespace != self.namespace:
            return
        for policy in self.manifests.of("NetworkPolicy"):
            spec = policy["spec"]
            types = spec.get("policyTypes", ["Ingress", *(["Egress"] if "egress" in spec else [])])
            if direction in types and _selects(spec["podSelector"], subject.labels):
                yield policy

    def _has_peer(self, allowed: list[Object] | None, other: Peer) -> bool:
        return not allowed or any(self._is_peer(part, other) for part in allowed)

    def _is_peer(self, part: Object, other: Peer) -> bool:
        if "ipBlock" in part:
            if not other.address:
                return False
            address = ip_address(other.address)
            blocks = [part["ipBlock"]["cidr"], *part["ipBlock"].get("except", [])]
            inside = [address in ip_network(block) for block in blocks]
            return inside[0] and not any(inside[1:])
        if other.labels is None:
            return False
        if "namespaceSelector" in part:
            labels = {_NAMESPACE_LABEL: other.namespace}
            if not _selects(part["namespaceSelector"], labels):
                return False
        elif other.namespace != self.namespace:
            return False
        return _selects(part.get("podSelector", {}), other.labels)

    @staticmethod
    def _has_port(rule: Object, port: int, named: Mapping[str, int], protocol: str) -> bool:
        ports: list[Object] = rule.get("ports") or []
        if not ports:
            return True
        for allowed in ports:
            if allowed.get("protocol", "TCP") != protocol:
                continue
            first: int | str | None = allowed.get("port")
            if first is None:
                return True
            number = named.get(first) if isinstance(first, str) else first
            if number is not None and number <= port <= allowed.get("endPort", number):
                return True
        return False

    def _port_names(self, target: Peer) -> dict[str, int]:
        names = {}
        for workload in self.manifests.workloads:
            if target.labels is not None and workload.labels == target.labels:
                for container in workload.containers:
                    for port in container.get("ports", []):
                        number = container_port(workload, port["containerPort"])
                        if "name" in port and number is not None:
                            names[port["name"]] = number
        return names


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    if not matches(selector.get("matchLabels"), labels):
        return False
    return all(_fits(expression, labels) for expression in selector.get("matchExpressions", []))


def _fits(expression: Object, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    operator = expression["operator"]
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    return (value in expression["values"]) is (operator == "In")
