"""Files that a container finds in its volumes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from contracts.chart.manifests import Manifests, Object, Workload

_KINDS = {"secret": "Secret", "configMap": "ConfigMap"}


@dataclass(frozen=True)
class Mounts:
    """The mounts of one container."""

    manifests: Manifests
    workload: Workload
    container: Object

    def holds(self, path: str) -> bool:
        """Return whether a path is in a volume."""
        return path.startswith("/") and self._mount(PurePosixPath(path)) is not None

    def fault(self, path: str) -> str | None:
        """Return why the file or folder at an absolute path is not there, None if it is."""
        wanted = PurePosixPath(path)
        mount = self._mount(wanted)
        if mount is None:
            return f"{path} is in no volume"
        volume = self.workload.volumes[mount["name"]]
        known = self._known(volume)
        if known is None:
            return None
        inside = self._inside(wanted, mount)
        if any(file == inside or inside in file.parents for file in known):
            return None
        return f"{path} is no file of volume {mount['name']}"

    def files(self, folder: str) -> list[PurePosixPath]:
        """Return the known files below a mounted folder, relative to it."""
        wanted = PurePosixPath(folder)
        mount = self._mount(wanted)
        if mount is None:
            return []
        inside = self._inside(wanted, mount)
        known = self._known(self.workload.volumes[mount["name"]]) or set()
        return [file.relative_to(inside) for file in known if file.is_relative_to(inside)]

    def _mount(self, path: PurePosixPath) -> Object | None:
        """Return the innermost mount that a path is in."""
        mounts: list[Object] = self.container.get("volumeMounts", [])
        found = [mount for mount in mounts if path.is_relative_to(mount["mountPath"])]
        return max(found, key=lambda mount: len(mount["mountPath"]), default=None)

    @staticmethod
    def _inside(path: PurePosixPath, mount: Object) -> PurePosixPath:
        return PurePosixPath(mount.get("subPath", "")) / path.relative_to(mount["mountPath"])

    def _known(self, volume: Object) -> set[PurePosixPath] | None:
        """Return the files of a volume; None if they are not in the manifests."""
        sources = volume.get("projected", {}).get("sources", [volume])
        found: set[PurePosixPath] = set()
        for source in sources:
            files = list(self._files(source))
            if not files:
                return None
            found |= {PurePosixPath(file) for file in files}
        return found

    def _files(self, source: Object) -> Iterator[str]:
        for key, kind in _KINDS.items():
            if key not in source:
                continue
            items = source[key].get("items")
            name = source[key].get("name") or source[key].get("secretName")
            there = self.manifests.named(kind).get(name)
            if items:
                yield from (item["path"] for item in items)
            elif there is not None:
                yield from {**there.get("data", {}), **there.get("stringData", {})}
