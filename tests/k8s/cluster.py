"""One namespace of the cluster that KUBECONFIG names, through kubectl."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.chart.tools import tool
from stack.servers.deadline import wait_until
from tests.k8s.command import ProgramError, run

Object = dict[str, Any]

_ROLLOUT_SECONDS = 300


class Cluster:
    """The objects in one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.program = tool("kubectl")

    def kubectl(self, *arguments: str, text: str | None = None, seconds: float = 600) -> str:
        """Run kubectl in the namespace and return its output."""
        command: list[str | Path] = [self.program, "--namespace", self.namespace, *arguments]
        return run(command, text=text, seconds=seconds)

    def create_namespace(self) -> None:
        """Create the namespace unless it exists."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def exists(self) -> bool:
        """Return whether the namespace exists."""
        found = self.kubectl("get", "namespace", self.namespace, "--ignore-not-found")
        return found != ""

    def delete_namespace(self) -> None:
        """Delete the namespace with everything in it."""
        self.kubectl("delete", "namespace", self.namespace, "--ignore-not-found")

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change objects."""
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl("apply", "--filename", "-", text=document)

    def get(self, kind: str, selector: str = "") -> list[Object]:
        """Return the objects of a kind that have these labels."""
        options = ("--selector", selector) if selector else ()
        listed = self.kubectl("get", kind, *options, "--output", "json")
        items: list[Object] = json.loads(listed)["items"]
        return items

    def names(self, kind: str, selector: str = "") -> list[str]:
        """Return the names of such objects, sorted."""
        return sorted(str(item["metadata"]["name"]) for item in self.get(kind, selector))

    def scale(self, deployments: Sequence[str], replicas: int) -> None:
        """Set the number of replicas, without waiting for them."""
        names = [f"deployment/{name}" for name in deployments]
        self.kubectl("scale", f"--replicas={replicas}", *names)

    def await_rollout(self, *workloads: str, seconds: int = _ROLLOUT_SECONDS) -> None:
        """Return when the new pods of each workload, such as `deployment/x`, are available."""
        for workload in workloads:
            self.kubectl("rollout", "status", workload, f"--timeout={seconds}s")

    def await_pods(self, selector: str, count: int, *, seconds: float = 120) -> None:
        """Return when `count` pods with these labels are ready, and none that is being deleted."""

        def settled() -> bool:
            pods = self.get("pods", selector)
            staying = [pod for pod in pods if not ends(pod)]
            return len(staying) == count and all(_ready(pod) != ends(pod) for pod in pods)

        if not wait_until(settled, seconds=seconds):
            raise TimeoutError(f"{selector}: not {count} ready pods within {seconds:.0f} s")

    def evict(self, pod: str) -> bool:
        """Ask the cluster to evict a pod; return false if a disruption budget forbids it now."""
        body = {
            "apiVersion": f"policy/{self._eviction_version()}",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.namespace},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        try:
            self.kubectl("create", "--raw", path, "--filename", "-", text=json.dumps(body))
        except ProgramError as error:
            if "disruption budget" in str(error):
                return False
            raise
        return True

    def _eviction_version(self) -> str:
        """Return the version of an Eviction: `v1beta1` before Kubernetes 1.22."""
        resources: list[Object] = json.loads(self.kubectl("get", "--raw", "/api/v1"))["resources"]
        (found,) = [item for item in resources if item["name"] == "pods/eviction"]
        return str(found["version"])


def ends(pod: Object) -> bool:
    """Return whether a pod is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def _ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
