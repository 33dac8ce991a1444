"""Checks of pods: images, security context, resources, probes, and how they end."""

import re
from collections.abc import Iterator

from contracts.chart.manifests import Manifests, Object, Workload, command_line

_PINNED = re.compile(r"[^\s:@]+(:\d+)?[^\s:@]*(:[\w][\w.-]*|(:[\w][\w.-]*)?@sha256:[0-9a-f]{64})")
_MOVING = re.compile(r":(latest|stable|main|master|edge)$")
SLACK_SECONDS = 5
"""Least time between the end of the drain and the kill."""


def image_faults(manifests: Manifests) -> list[str]:
    """Return the containers whose image has no tag, or one that moves by its name."""
    return [
        f"{_of(workload, container)}: image {container['image']} is not pinned"
        for workload, container in manifests.containers()
        if not _PINNED.fullmatch(container["image"]) or _MOVING.search(container["image"])
    ]


def security_faults(manifests: Manifests) -> list[str]:
    """Return the rights that pods and containers have and do not need."""
    found: list[str] = []
    for workload in manifests.workloads:
        found += _pod_security(workload)
        for container in workload.containers:
            wrong = _container_security(container.get("securityContext", {}), workload.pod)
            found += [f"{_of(workload, container)}: {fault}" for fault in wrong]
    return found


def _pod_security(workload: Workload) -> Iterator[str]:
    pod = workload.pod
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{workload.title}: {field} is set"
    for name, volume in workload.volumes.items():
        if "hostPath" in volume:
            yield f"{workload.title}: volume {name} is a folder of the node"
    if pod.get("automountServiceAccountToken") is not False and not _needs_the_api(workload):
        yield f"{workload.title}: the token of its service account is mounted"


def _needs_the_api(workload: Workload) -> bool:
    """Return whether the pods create the Secret of the first signing key."""
    commands = map(command_line, workload.containers)
    return any("keys" in command and "secret" in command for command in commands)


def _container_security(context: Object, pod: Object) -> Iterator[str]:
    of_pod: Object = pod.get("securityContext", {})
    if not (context.get("runAsNonRoot") or of_pod.get("runAsNonRoot")):
        yield "may run as root"
    if (context.get("runAsUser") or of_pod.get("runAsUser") or 0) == 0:
        yield "has no user id"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("privileged"):
        yield "is privileged"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write to its root file system"
    capabilities = context.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "has capabilities"
    profile = context.get("seccompProfile") or of_pod.get("seccompProfile") or {}
    if profile.get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "has no seccomp profile"


def resource_faults(manifests: Manifests) -> list[str]:
    """Return the containers without requests, or without a limit of memory."""
    found = []
    for workload, container in manifests.containers():
        resources = container.get("resources", {})
        requested = resources.get("requests", {}).keys()
        if not requested >= {"cpu", "memory"} or "memory" not in resources.get("limits", {}):
            found.append(f"{_of(workload, container)}: resources are not set")
    return found


def job_faults(manifests: Manifests) -> list[str]:
    """Return the Jobs that may run or retry without end."""
    return [
        f"{workload.title}: {field} is not set"
        for workload in manifests.workloads
        if workload.kind == "Job"
        for field in ("activeDeadlineSeconds", "backoffLimit")
        if field not in workload.object["spec"]
    ]


def probe_faults(manifests: Manifests) -> list[str]:
    """Return the containers that run without end and have no probe."""
    return [
        f"{_of(workload, container)}: {probe} is missing"
        for workload in manifests.workloads
        if workload.is_endless
        for container in workload.main
        for probe in ("livenessProbe", "readinessProbe")
        if probe not in container
    ]


def grace_faults(manifests: Manifests, drain_seconds: dict[str, float]) -> list[str]:
    """Return the pods that are killed before they have drained; `drain_seconds` is by workload."""
    found = []
    for workload in manifests.workloads:
        if workload.title not in drain_seconds:
            continue
        needed = drain_seconds[workload.title] + SLACK_SECONDS
        needed += max(pre_stop_seconds(container) for container in workload.main)
        grace = workload.pod.get("terminationGracePeriodSeconds", 30)
        if grace < needed:
            found.append(f"{workload.title}: grace period {grace} s; draining takes {needed:g} s")
    return found


def pre_stop_seconds(container: Object) -> float:
    """Return how long the hook before SIGTERM takes."""
    hook: Object = container.get("lifecycle", {}).get("preStop", {})
    if "sleep" in hook:
        return float(hook["sleep"]["seconds"])
    words = " ".join(hook.get("exec", {}).get("command", []))
    return sum(float(found) for found in re.findall(r"sleep[(\s]+(\d+(?:\.\d+)?)", words))


def _of(workload: Workload, container: Object) -> str:
    return f"{workload.title}: container {container['name']}"
