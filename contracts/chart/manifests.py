"""Rendered Kubernetes objects, and the pods that they start."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

Object = dict[str, Any]
"""One Kubernetes object as its manifest has it."""
_WITH_PODS = ("Deployment", "StatefulSet", "DaemonSet", "Job")


def title(item: Object) -> str:
    """Return an object's kind and name, as kubectl writes them."""
    return f"{item['kind']}/{item['metadata']['name']}"


def command_line(container: Object) -> list[str]:
    """Return the words of a container's command; without them its image's command runs."""
    return [*container.get("command", []), *container.get("args", [])]


@dataclass(frozen=True)
class Workload:
    """The pods of one Deployment, StatefulSet, Job, CronJob or of one Pod."""

    object: Object

    @property
    def title(self) -> str:
        """Its kind and name."""
        return title(self.object)

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.object["kind"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.object["metadata"]["name"])

    @cached_property
    def template(self) -> Object:
        """The pod's metadata and spec."""
        if self.kind == "Pod":
            return self.object
        spec: Object = self.object["spec"]
        if self.kind == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        template: Object = spec["template"]
        return template

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of its pods."""
        labels: Mapping[str, str] = self.template["metadata"].get("labels", {})
        return labels

    @property
    def pod(self) -> Object:
        """The spec of its pods."""
        spec: Object = self.template["spec"]
        return spec

    @property
    def containers(self) -> list[Object]:
        """Its containers, those of the initialisation first."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def main(self) -> list[Object]:
        """Its containers without those of the initialisation."""
        containers: list[Object] = self.pod["containers"]
        return containers

    @property
    def is_endless(self) -> bool:
        """Whether it runs until it is deleted."""
        return self.kind in {"Deployment", "StatefulSet", "DaemonSet"}

    @cached_property
    def volumes(self) -> dict[str, Object]:
        """Its volumes by name; those of a StatefulSet's claims, too."""
        claims = self.object.get("spec", {}).get("volumeClaimTemplates", [])
        return {volume["name"]: volume for volume in self.pod.get("volumes", [])} | {
            claim["metadata"]["name"]: {"persistentVolumeClaim": {}} for claim in claims
        }


@dataclass(frozen=True)
class Manifests:
    """All objects of one release, or of one overlay."""

    objects: tuple[Object, ...]

    @classmethod
    def parse(cls, text: str) -> "Manifests":
        """Return the objects of a YAML stream."""
        documents = yaml.load_all(text, Loader=yaml.CSafeLoader)
        return cls(tuple(document for document in documents if document))

    def of(self, *kinds: str) -> list[Object]:
        """Return the objects of some kinds."""
        return [item for item in self.objects if item["kind"] in kinds]

    def named(self, kind: str) -> dict[str, Object]:
        """Return the objects of a kind by their name."""
        return {item["metadata"]["name"]: item for item in self.of(kind)}

    @cached_property
    def workloads(self) -> list[Workload]:
        """Everything that starts pods."""
        return [Workload(item) for item in self.of(*_WITH_PODS, "CronJob", "Pod")]

    def containers(self) -> Iterator[tuple[Workload, Object]]:
        """Yield each container with its workload."""
        for workload in self.workloads:
            for container in workload.containers:
                yield workload, container
