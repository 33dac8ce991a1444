"""Everything that is rendered and checked: the chart with each values file, and the overlays."""

import atexit
import copy
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from contracts.chart.manifests import Manifests, Object, command_line, title
from contracts.chart.rendering import CHART, NAMESPACE, ROOT, case_files, overlay, release
from tests.helm.flows import API_SERVER, SERVERS, Flows
from tests.helm.policies import Peer

_K8S = ROOT / "deploy/k8s"
OVERLAYS = _K8S / "overlays"
_CREATES_A_SECRET = ("keys", "secret")
"""Words of the command that creates a Secret, whose name follows."""


@dataclass(frozen=True)
class Case:
    """One way to install."""

    name: str
    path: Path
    """A values file of the chart, or the folder of an overlay."""

    @property
    def is_overlay(self) -> bool:
        """Whether kubectl renders it."""
        return self.path.is_dir()

    @cached_property
    def manifests(self) -> Manifests:
        """Its objects, without the containers that the values add to the chart's."""
        if not self.is_overlay:
            return _without(release(self.path), frozenset(_added_containers(self.values)))
        return overlay(_with_secrets() / self.path.relative_to(_K8S))

    @cached_property
    def values(self) -> Object:
        """The chart's values that it is rendered with."""
        paths = [self.path]
        if self.is_overlay:
            folder = _K8S / "values"
            paths = [folder / "base.yaml", folder / f"{self.path.name}.yaml"]
        merged = _read(CHART / "values.yaml")
        for path in paths:
            merged = _merged(merged, _read(path))
        return merged

    @property
    def external(self) -> frozenset[str]:
        """Names of the objects that the operator or a Job creates."""
        return frozenset({*_existing(self.values), *_created(self.manifests)})

    @property
    def flows(self) -> Flows:
        """Its connections."""
        to = {
            prefix: peer
            for prefix, name in SERVERS.items()
            for peer in _peers(self.values[name]["networkPolicyTo"])
        }
        api = self.values["networkPolicy"]["apiServer"]
        for peer in _peers(api["to"]):
            to[API_SERVER] = peer
        return Flows(self.manifests, NAMESPACE, to, api["ports"][0])


def cases() -> dict[str, Case]:
    """Return all cases by their name."""
    return dict(_cases())


@cache
def _cases() -> tuple[tuple[str, Case], ...]:
    found = {path.name.removesuffix("-values.yaml"): path for path in case_files()}
    found |= {f"overlay-{path.name}": path for path in sorted(OVERLAYS.glob("*"))}
    return tuple((name, Case(name, path)) for name, path in found.items())


@cache
def _with_secrets() -> Path:
    """Return a copy of the plain manifests in which the files of secrets have values."""
    folder = Path(tempfile.mkdtemp(prefix="madang-k8s-"))
    atexit.register(shutil.rmtree, folder)
    copied = folder / "k8s"
    shutil.copytree(_K8S, copied, ignore=shutil.ignore_patterns("secrets"))
    for path in copied.glob("overlays/*/kustomization.yaml"):
        for secret in _read(path).get("secretGenerator", []):
            for file in [*secret.get("files", []), *secret.get("envs", [])]:
                place = path.parent / file
                place.parent.mkdir(exist_ok=True)
                place.write_text("key=value\n", encoding="utf-8")
    return copied


def planted(manifests: Manifests, where: str, path: str, value: Any) -> Manifests:
    """Return a copy with one field changed; `where` is a title, without the hash of a Job.

    `None` as value deletes the field. In `path`, a number is an index of a list, `[name]` the item
    with that name, and `~` a slash.
    """
    objects = copy.deepcopy(manifests.objects)
    part = next(item for item in objects if re.fullmatch(f"{where}(-[0-9a-f]{{8}})?", title(item)))
    *parents, last = path.split("/")
    inner: Any = part
    for key in parents:
        inner = inner[_key(inner, key)]
    key = _key(inner, last.replace("~", "/"))
    if value is None:
        del inner[key]
    else:
        inner[key] = value
    return Manifests(objects)


def _key(part: Any, key: str) -> Any:
    named = re.fullmatch(r"\[(.+)\]", key)
    if named is not None:
        return next(at for at, item in enumerate(part) if item["name"] == named[1])
    return int(key) if isinstance(part, list) else key


@cache
def _read(path: Path) -> Object:
    values: Object = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return values


def _merged(values: Object, more: Object) -> Object:
    """Return values with those of another file, as helm merges them."""
    merged = dict(values)
    for key, value in more.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def _without(manifests: Manifests, names: frozenset[str]) -> Manifests:
    objects = copy.deepcopy(manifests.objects)
    for workload in Manifests(objects).workloads:
        for key in ("initContainers", "containers"):
            if key in workload.pod:
                containers = workload.pod[key]
                workload.pod[key] = [part for part in containers if part["name"] not in names]
    return Manifests(objects)


def _added_containers(values: Object) -> Iterator[str]:
    for part in values.values():
        if isinstance(part, dict):
            for key in ("initContainers", "sidecars"):
                yield from (container["name"] for container in part.get(key, []))


def _peers(destinations: list[Object]) -> Iterator[Peer]:
    """Yield a peer that fits each destination of a NetworkPolicy."""
    for part in destinations:
        if "ipBlock" in part:
            address = ip_network(part["ipBlock"]["cidr"])[0]
            yield Peer(f"the server at {address}", address=str(address))
        else:
            labels = part["podSelector"]["matchLabels"]
            yield Peer(f"the server {labels}", NAMESPACE, labels)


def _existing(values: Any) -> Iterator[str]:
    """Yield the names of existing objects in values, at any depth."""
    if isinstance(values, list):
        for part in values:
            yield from _existing(part)
    if not isinstance(values, dict):
        return
    if values.get("create") is False:
        yield values["name"]
    for key, value in values.items():
        if key in {"existingSecret", "secretName"}:
            yield value
        elif key in {"secretRef", "configMapRef", "secretKeyRef", "configMapKeyRef", "configMap"}:
            yield value["name"]
        else:
            yield from _existing(value)


def _created(manifests: Manifests) -> Iterator[str]:
    for _, container in manifests.containers():
        words = command_line(container)
        for at in range(len(words) - 2):
            if tuple(words[at : at + 2]) == _CREATES_A_SECRET:
                yield words[at + 2]
