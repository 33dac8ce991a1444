"""Checks that objects fit each other: selectors, ports, mounts, and the objects they name."""

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.chart.manifests import Manifests, Object, Workload, title

_SCALED = ("Deployment", "StatefulSet")


def selector_faults(manifests: Manifests) -> list[str]:
    """Return the selectors that match no pod, or not the pods of their own workload."""
    found = []
    for workload in manifests.workloads:
        selector = workload.object["spec"].get("selector", {}).get("matchLabels")
        if workload.is_endless and not matches(selector, workload.labels):
            found.append(f"{workload.title}: its selector does not match its pods")
    for item in manifests.of("Service", "PodDisruptionBudget"):
        selector = selector_of(item)
        if not selector or not any(matches(selector, pod.labels) for pod in endless(manifests)):
            found.append(f"{title(item)}: its selector matches no pod")
    for item in manifests.of("PodDisruptionBudget"):
        names = [pod.title for pod in endless(manifests) if matches(selector_of(item), pod.labels)]
        if len(names) > 1:
            found.append(f"{title(item)}: it covers {' and '.join(names)}")
    return found


def port_faults(manifests: Manifests) -> list[str]:
    """Return the ports of Services that no container has, and probes of such ports."""
    found = []
    for service in manifests.of("Service"):
        pods = selected(manifests, service)
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            found += [
                f"{title(service)}: {pod.title} has no port {target}"
                for pod in pods
                if container_port(pod, target) is None
            ]
    for workload, container in manifests.containers():
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container.get(name, {})
            action = probe.get("httpGet") or probe.get("tcpSocket") or probe.get("grpc")
            if action and container_port(workload, action["port"]) is None:
                found.append(f"{workload.title}: {name} asks port {action['port']}")
    return found


def route_faults(manifests: Manifests) -> list[str]:
    """Return the backends of routes and the ports of monitors that no Service has."""
    found = []
    for item, name, port in _backends(manifests):
        service = manifests.named("Service").get(name)
        if service is None or port not in _ports(service):
            found.append(f"{title(item)}: no Service {name} with port {port}")
    for item in manifests.of("ServiceMonitor"):
        services = [
            service
            for service in manifests.of("Service")
            if matches(item["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
        ]
        asked = {endpoint.get("port") for endpoint in item["spec"]["endpoints"]}
        there = {port for service in services for port in _ports(service)}
        found += [f"{title(item)}: no Service has a port {port}" for port in asked - there]
    return found


def target_faults(manifests: Manifests) -> list[str]:
    """Return the autoscalers and monitors of workloads that are not there."""
    there = {item.title for item in manifests.workloads if item.kind in _SCALED}
    found = []
    for item in manifests.of("HorizontalPodAutoscaler"):
        target = item["spec"]["scaleTargetRef"]
        name = f"{target['kind']}/{target['name']}"
        if name not in there:
            found.append(f"{title(item)}: there is no {name}")
        found += [
            f"{name}: replicas are set beside {title(item)}"
            for workload in manifests.workloads
            if workload.title == name and "replicas" in workload.object["spec"]
        ]
    return found


def mount_faults(manifests: Manifests) -> list[str]:
    """Return the mounts without a volume, and volumes that are not mounted."""
    found = []
    for workload in manifests.workloads:
        mounted = {
            mount["name"]
            for container in workload.containers
            for mount in container.get("volumeMounts", [])
        }
        for name in sorted(mounted ^ workload.volumes.keys()):
            fault = "has no volume" if name in mounted else "is not mounted"
            found.append(f"{workload.title}: {name} {fault}")
    return found


def object_faults(manifests: Manifests, external: frozenset[str]) -> list[str]:
    """Return the ConfigMaps, Secrets and accounts that pods name and that nobody creates.

    `external` has the names of Secrets and claims that the operator or a Job creates.
    """
    found = []
    for workload in manifests.workloads:
        for kind, name in references(workload):
            if name not in manifests.named(kind) and name not in external:
                found.append(f"{workload.title}: there is no {kind} {name}")
    return found


def references(workload: Workload) -> Iterator[tuple[str, str]]:
    """Yield kind and name of each object that a pod needs to start."""
    account = workload.pod.get("serviceAccountName", "default")
    if account != "default":
        yield "ServiceAccount", account
    for volume in workload.volumes.values():
        yield from _named(volume)
    for container in workload.containers:
        for source in container.get("envFrom", []):
            yield from _named(source)
        for variable in container.get("env", []):
            yield from _named(variable.get("valueFrom", {}))


def _named(part: Any) -> Iterator[tuple[str, str]]:
    """Yield the ConfigMaps and Secrets that a volume or a source of variables names."""
    kinds = {
        **dict.fromkeys(("configMap", "configMapRef", "configMapKeyRef"), "ConfigMap"),
        **dict.fromkeys(("secret", "secretRef", "secretKeyRef"), "Secret"),
    }
    if not isinstance(part, dict):
        return
    for key, inner in part.items():
        if key in kinds and isinstance(inner, dict) and not inner.get("optional"):
            name = inner.get("name") or inner.get("secretName")
            if name:
                yield kinds[key], name
    for source in part.get("projected", {}).get("sources", []):
        yield from _named(source)


def selector_of(item: Object) -> Mapping[str, str]:
    """Return the labels that a Service or a PodDisruptionBudget selects."""
    selector: Object = item["spec"].get("selector", {})
    labels: Mapping[str, str] = selector.get("matchLabels", selector)
    return labels


def matches(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Return whether labels have all those of a selector."""
    return (selector or {}).items() <= labels.items()


def endless(manifests: Manifests) -> list[Workload]:
    """Return the workloads that Services may select."""
    return [workload for workload in manifests.workloads if workload.is_endless]


def selected(manifests: Manifests, service: Object) -> list[Workload]:
    """Return the workloads behind a Service."""
    selector = selector_of(service)
    return [pod for pod in endless(manifests) if selector and matches(selector, pod.labels)]


def container_port(workload: Workload, port: int | str) -> int | None:
    """Return the number of a port that a container of these pods declares, by number or name."""
    for container in workload.containers:
        for declared in container.get("ports", []):
            if port in {declared["containerPort"], declared.get("name")}:
                return int(declared["containerPort"])
    return None


def _ports(service: Object) -> set[int | str | None]:
    """Return the numbers and names of a Service's ports."""
    ports = service["spec"]["ports"]
    return {port["port"] for port in ports} | {port["name"] for port in ports if "name" in port}


def _backends(manifests: Manifests) -> Iterator[tuple[Object, str, int | str]]:
    for item in manifests.of("HTTPRoute"):
        for rule in item["spec"]["rules"]:
            for backend in rule.get("backendRefs", []):
                yield item, backend["name"], backend["port"]
    for item in manifests.of("Ingress"):
        for rule in item["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                port = service["port"]
                yield item, service["name"], port.get("number") or port["name"]


def secret_keys(manifests: Manifests) -> dict[str, set[str]]:
    """Return the keys that pods need of each Secret."""
    found: dict[str, set[str]] = {}
    for workload in manifests.workloads:
        for volume in workload.volumes.values():
            for source in volume.get("projected", {}).get("sources", [volume]):
                secret = source.get("secret", {})
                name = secret.get("name") or secret.get("secretName")
                if name:
                    keys = {item["key"] for item in secret.get("items", [])}
                    found[name] = found.get(name, set()) | keys
    for _, container in manifests.containers():
        for variable in container.get("env", []):
            wanted = variable.get("valueFrom", {}).get("secretKeyRef")
            if wanted:
                found.setdefault(wanted["name"], set()).add(wanted["key"])
    return found
