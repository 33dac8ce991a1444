"""The release is uninstalled; its notes say what stays and how to delete it."""

import shlex

from stack.servers.deadline import wait_until
from tests.k8s.cluster import Cluster
from tests.k8s.command import run
from tests.k8s.product import Kubernetes, of
from tests.k8s.release import NAME, Release

_KEPT = {
    *(f"persistentvolumeclaims/data-{NAME}-{name}-0" for name in ("rabbitmq", "mysql")),
    *(f"persistentvolumeclaims/data-{NAME}-{name}-0" for name in ("mongodb", "redis")),
    *(f"secrets/{NAME}-{name}" for name in ("signing-keys", "trial")),
}
_END_SECONDS = 180
"""Longest time until the pods have ended, for which Helm does not wait."""
_SKIPPED = {"events", "events.events.k8s.io", "pods.metrics.k8s.io"}


def test_uninstall_leaves_only_data_and_keys(product: Kubernetes, release: Release) -> None:
    notes = release.notes()

    release.uninstall()

    assert wait_until(lambda: _left(product.cluster) == _KEPT, seconds=_END_SECONDS)
    commands = [line.strip() for line in notes.splitlines() if line.startswith("    kubectl ")]
    deletions = [command for command in commands if " delete " in command]
    assert len(deletions) == 2
    for deletion in deletions:
        run([product.cluster.program, *shlex.split(deletion)[1:]])
    assert _left(product.cluster) == set()


def _left(cluster: Cluster) -> set[str]:
    """Return the objects of every kind with the name or the label of the release."""
    kinds = cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name")
    found: set[str] = set()
    for kind in set(kinds.split()) - _SKIPPED:
        labelled = set(cluster.names(kind, of(NAME)))
        named = {name for name in cluster.names(kind) if NAME in name.split("-")}
        found.update(f"{kind}/{name}" for name in labelled | named)
    return found
