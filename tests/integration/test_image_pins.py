"""The pins of third-party images: references, the files that repeat them, and their renewal."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from contracts.images.__main__ import main
from contracts.images.engine import NoDefaultRegistryError, default_registry
from contracts.images.pins import LIST, UnpinnedError, files, pinned, read
from contracts.images.reference import Image, ImageReferenceError
from stack.servers.image_registry import ImageRegistry
from tests.support.deployment import ROOT
from tests.support.images import push_index

_A, _B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def test_a_single_word_is_an_official_image_of_the_default_registry() -> None:
    image = Image.parse("redis:8.4.0")

    assert (image.host, image.path) == ("", "library/redis")


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("prom/prometheus:v3.5.0", "", "prom/prometheus"),
        ("localhost/a:1.0", "localhost", "a"),
        ("127.0.0.1:5000/team/a:1.0", "127.0.0.1:5000", "team/a"),
        ("registry.example/a:1.0", "registry.example", "a"),
        ("library/redis:8.4.0", "", "library/redis"),
    ],
)
def test_the_host_is_taken_from_the_name(text: str, host: str, path: str) -> None:
    image = Image.parse(text)

    assert (image.host, image.path) == (host, path)
    assert Image.parse(str(image)) == image


@pytest.mark.parametrize(
    "text",
    ["redis", "redis:latest", "redis:stable", f"redis@{_A}", "redis:1@sha256:beef", "a.b:5000/c"],
)
def test_a_reference_without_a_version_or_with_a_broken_digest_is_refused(text: str) -> None:
    with pytest.raises(ImageReferenceError, match=r"image|redis: tag|redis:1: digest"):
        Image.parse(text)


def test_the_default_registry_is_the_given_one() -> None:
    assert default_registry("mirror.example:5000") == "mirror.example:5000"
    assert default_registry("https://mirror.example/v1/") == "mirror.example"


def test_without_docker_the_default_registry_must_be_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoDefaultRegistryError, match="start Docker, or set REGISTRY"):
        default_registry("")


def test_the_default_registry_is_the_one_that_docker_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = info ] && echo https://index.example/v1/\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert default_registry("") == "index.example"


COMPOSE = f"""\
services:
  redis:
    image: redis:8.0
  own:
    image: madang-gateway:${{VERSION:-local}}
  other:
    image: prom/prometheus:v3.1.0@{_B}
"""
VALUES = """\
images:
  gateway: {repository: madang-gateway, tag: "", digest: ""}
  redis:
    # The server of the trial.
    registry: ""
    repository: library/redis
    tag: "8.0"  # A version.
    digest: ""
    pullPolicy: IfNotPresent
  prometheus:
    digest: sha256:old
    tag: v1
    repository: prom/prometheus
own:
  repository: registry.example/madang-auth
  tag: ""
  digest: ""
"""
IMAGES = [Image("redis", "8.4.0", _A), Image("prom/prometheus", "v3.5.0")]


def test_every_reference_gets_the_pin_of_the_list() -> None:
    found = pinned(
        {"docker-compose.yml": COMPOSE, "services/x/Dockerfile": "FROM redis:1 AS b\n"}, IMAGES
    )

    assert found["services/x/Dockerfile"] == f"FROM redis:8.4.0@{_A} AS b\n"
    assert found["docker-compose.yml"] == COMPOSE.replace("redis:8.0", f"redis:8.4.0@{_A}").replace(
        f"v3.1.0@{_B}", "v3.5.0"
    )


def test_mappings_of_the_chart_get_tag_and_digest() -> None:
    path = "deploy/helm/madang/values.yaml"

    found = pinned({path: VALUES}, IMAGES)[path]

    expected = VALUES.replace('tag: "8.0"  # A', 'tag: "8.4.0"  # A')
    expected = expected.replace('digest: ""\n    pull', f'digest: "{_A}"\n    pull')
    expected = expected.replace("digest: sha256:old\n    tag: v1", 'digest: ""\n    tag: "v3.5.0"')
    assert found == expected
    assert pinned({path: found}, IMAGES)[path] == found


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("docker-compose.yml", "    image: mongo:8.0\n", "mongo is not in deploy/images.json"),
        ("docker-compose.yml", "    image: redis:latest\n", "'latest' is not the tag"),
        (
            "deploy/helm/madang/values.yaml",
            "a:\n  repository: mongo\n  tag: x\n  digest: x\n",
            "mongo is not in deploy/images.json",
        ),
    ],
)
def test_an_image_that_is_not_listed_is_refused(path: str, text: str, told: str) -> None:
    with pytest.raises(UnpinnedError, match=told):
        pinned({path: text}, IMAGES)


def test_the_files_of_this_repository_have_the_pins_of_the_list() -> None:
    texts = files(ROOT)

    assert {"docker-compose.yml", "services/gateway/Dockerfile"} < texts.keys()
    assert pinned(texts, read(ROOT).values()) == texts


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Give a copy of the list and of the files that repeat it."""
    for path in files(ROOT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / path)
    return tmp_path


def test_renewing_rewrites_the_list_and_its_files(
    image_registry: ImageRegistry,
    pushing: httpx.Client,
    copied: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pushed = {
        image.name: push_index(pushing, image.path, image.tag, version="new")
        for image in read(copied).values()
    }

    assert main(["--registry", image_registry.host], copied) == 0

    assert capsys.readouterr().out.count("(new)") == len(pushed)
    assert {image.name: image.digest for image in read(copied).values()} == pushed
    compose = (copied / "docker-compose.yml").read_text(encoding="utf-8")
    assert f"@{pushed['rabbitmq']}\n" in compose
    assert main(["--registry", image_registry.host], copied) == 0
    assert capsys.readouterr().out.count("(unchanged)") == len(pushed)


def test_one_missing_tag_leaves_everything_as_it_was(
    image_registry: ImageRegistry,
    pushing: httpx.Client,
    copied: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for image in read(copied).values():
        push_index(pushing, image.path, image.tag)
    listed = json.loads((copied / LIST).read_text(encoding="utf-8"))
    (redis,) = (entry for entry in listed if entry["name"] == "redis")
    redis["tag"] = "99.0"
    (copied / LIST).write_text(json.dumps(listed), encoding="utf-8")
    before = files(copied)

    assert main(["--registry", image_registry.host], copied) == 1

    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("redis:99.0: ")
    assert last == "deploy/images.json was not changed"
    assert files(copied) == before


def test_the_command_reports_an_unreachable_registry() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "contracts.images", "--registry", "127.0.0.1:1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "redis:" in done.stderr
    assert "127.0.0.1:1 cannot be asked" in done.stderr
    assert "Traceback" not in done.stderr
