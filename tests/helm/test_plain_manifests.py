"""deploy/k8s: what kubectl renders is what the chart renders, and no secret is committed."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from contracts.chart.kustomize import OVERLAYS, plain_objects
from contracts.chart.manifests import Manifests, title
from contracts.chart.patches import operations
from contracts.chart.rendering import ROOT, RenderError, overlay
from tests.helm import exposure
from tests.helm.cases import cases
from tests.helm.references import secret_keys
from tests.support.deployment import read_env

FOLDER = ROOT / "deploy/k8s"


def committed() -> list[Path]:
    return [path for path in FOLDER.rglob("*.yaml") if "secrets" not in path.parts]


@pytest.mark.parametrize("name", OVERLAYS)
def test_kubectl_renders_what_the_chart_renders(name: str) -> None:
    of_chart = plain_objects(FOLDER / "values/base.yaml", FOLDER / f"values/{name}.yaml")

    of_kubectl = {}
    for item in cases()[f"overlay-{name}"].manifests.objects:
        of_kubectl[title(item)] = item
        if item["metadata"].pop("namespace", None) is not None:
            assert item["kind"] != "Namespace"

    made = {found for found in of_kubectl if found.startswith(("Secret/", "Namespace/"))}
    assert of_kubectl.keys() - made == of_chart.keys()
    for found, item in of_chart.items():
        assert of_kubectl[found] == item


def test_no_secret_is_committed() -> None:
    for path in committed():
        manifests = Manifests.parse(path.read_text(encoding="utf-8"))
        objects = tuple(item for item in manifests.objects if "kind" in item and "metadata" in item)
        assert not exposure.committed_faults(Manifests(objects)), path
        assert not exposure.exposed_faults(Manifests(objects)), path


def test_a_committed_secret_is_found() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "a"}, "stringData": {"b": "c"}}

    assert exposure.committed_faults(Manifests((secret,))) == ["Secret/a: it has values"]


def test_the_page_lists_every_secret_of_production() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^ *\| `(madang-[a-z]+)` \| (.+) \|$", page, re.MULTILINE)
    listed = {name: set(re.findall(r"`([^`]+)`", keys)) for name, keys in rows}

    needed = secret_keys(cases()["overlay-production"].manifests)

    assert needed.pop("madang-signing-keys") == set()
    assert listed == needed


def test_the_script_of_the_trial_writes_what_its_pods_need(tmp_path: Path) -> None:
    copied = tmp_path / "k8s"
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns("secrets"))
    shutil.copytree(ROOT / "deploy/nginx", tmp_path / "nginx")
    trial = copied / "overlays/trial"
    with pytest.raises(RenderError, match=r"secrets/passwords\.env"):
        overlay(trial)

    subprocess.run([trial / "secrets.sh"], check=True, capture_output=True, timeout=30)
    passwords = read_env(trial / "secrets/passwords.env")
    subprocess.run([trial / "secrets.sh"], check=True, capture_output=True, timeout=30)

    manifests = overlay(trial)
    secrets = {name: set(item["data"]) for name, item in manifests.named("Secret").items()}
    needed = secret_keys(manifests)
    del needed["madang-signing-keys"]
    assert {name: needed[name] or secrets[name] for name in needed} == secrets
    assert read_env(trial / "secrets/passwords.env") == passwords
    assert len(set(passwords.values())) == len(passwords)
    assert all(len(value) >= 48 for value in passwords.values())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "value": 2}]),
        ({"a": 1}, {}, [{"op": "remove", "path": "/a"}]),
        ({}, {"a/b~": 1}, [{"op": "add", "path": "/a~1b~0", "value": 1}]),
        ({"a": [1]}, {"a": [1, 2]}, [{"op": "replace", "path": "/a", "value": [1, 2]}]),
        (
            {"a": [{"name": "x", "b": 1}]},
            {"a": [{"name": "x", "b": 2}]},
            [{"op": "replace", "path": "/a/0/b", "value": 2}],
        ),
        (
            {"a": [{"name": "x"}]},
            {"a": [{"name": "y"}]},
            [{"op": "replace", "path": "/a", "value": [{"name": "y"}]}],
        ),
    ],
)
def test_a_patch_has_the_differences_alone(before: Any, after: Any, expected: list[Any]) -> None:
    assert list(operations(before, after)) == expected


def test_every_generated_file_names_its_command() -> None:
    generated = [path for path in committed() if {"base", "generated"} & set(path.parts)]

    assert generated
    for path in generated:
        assert "`make k8s`" in path.read_text(encoding="utf-8").splitlines()[0]
