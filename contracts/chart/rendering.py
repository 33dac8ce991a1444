"""Runs helm and kubectl: the objects that the chart and the overlays render to."""

import subprocess
from functools import cache
from pathlib import Path

from contracts.chart.manifests import Manifests
from contracts.chart.tools import tool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/madang"
NAMESPACE = "madang"
RELEASE = "madang"
KUBERNETES = "1.37"
"""Version of Kubernetes that the rendered objects are for."""
_SECONDS = 60


class RenderError(Exception):
    """helm or kubectl refused; the message is its output."""


def case_files() -> list[Path]:
    """Return the values files of the chart that are rendered and checked."""
    return sorted((CHART / "ci").glob("*-values.yaml"))


@cache
def release(*values: Path) -> Manifests:
    """Return what `helm install` with these values files would create, hooks and tests too."""
    return Manifests.parse(helm("template", RELEASE, CHART, *options(*values)))


def options(*values: Path) -> list[str | Path]:
    """Return helm's options for rendering with values files."""
    files = [part for path in values for part in ("--values", path)]
    apis = ("gateway.networking.k8s.io/v1", "monitoring.coreos.com/v1")
    versions = [part for api in apis for part in ("--api-versions", api)]
    return ["--namespace", NAMESPACE, "--kube-version", KUBERNETES, *versions, *files]


@cache
def overlay(folder: Path) -> Manifests:
    """Return what `kubectl apply -k` would create."""
    return Manifests.parse(_run("kubectl", "kustomize", folder))


def helm(*arguments: str | Path) -> str:
    """Run helm and return its output."""
    return _run("helm", *arguments)


def _run(name: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [tool(name), *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode != 0:
        raise RenderError((done.stderr or done.stdout).strip())
    return done.stdout
