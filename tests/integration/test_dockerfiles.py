"""The Dockerfiles of the services."""

import json
import re
import tomllib

import pytest

from madang_common.health import Health, health_router
from tests.support.compose_file import DOCKERFILES, IMAGES
from tests.support.deployment import ROOT


@pytest.mark.parametrize("service", sorted(DOCKERFILES))
def test_an_image_is_built_from_pins_and_carries_no_tools(service: str) -> None:
    dockerfile = DOCKERFILES[service]
    copied = [rest.split() for name, rest in dockerfile.instructions if name == "COPY"]

    assert dockerfile.bases == [str(IMAGES["python"])] * 2
    assert not re.search(r"^#\s*syntax", dockerfile.text, re.MULTILINE)
    assert ["constraints.txt", "./"] in copied
    assert "PIP_CONSTRAINT=/build/constraints.txt" in dockerfile.text
    for source, *_ in (words for words in copied if not words[0].startswith("--")):
        assert (ROOT / source).exists(), source
    assert dockerfile.last_stage("COPY") == ["--from=build /opt/madang /opt/madang"]
    assert not any("pip" in run or "apt" in run for run in dockerfile.last_stage("RUN"))


@pytest.mark.parametrize("service", sorted(DOCKERFILES))
def test_an_image_starts_its_service_so_that_signals_arrive(service: str) -> None:
    project = tomllib.loads((ROOT / f"services/{service}/pyproject.toml").read_text("utf-8"))
    (entrypoint,) = DOCKERFILES[service].last_stage("ENTRYPOINT")

    assert json.loads(entrypoint) == [f"madang-{service}"]
    assert f"madang-{service}" in project["project"]["scripts"]


@pytest.mark.parametrize("service", sorted(DOCKERFILES))
def test_an_image_asks_its_service_where_it_listens(service: str) -> None:
    dockerfile = DOCKERFILES[service]
    (check,) = dockerfile.last_stage("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])[-1]
    paths = {getattr(route, "path", None) for route in health_router(Health({})).routes}

    compile(command, "healthcheck", "exec")
    assert set(re.findall(r"/health/\w+", command)) == {"/health/ready"} <= paths
    assert "os.environ['MADANG_PORT']" in command
    assert dockerfile.last_stage("EXPOSE") == [dockerfile.environment["MADANG_PORT"]]
    assert dockerfile.labels["org.opencontainers.image.title"] == f"madang-{service}"


def test_the_images_differ_in_nothing_but_the_service() -> None:
    def neutral(service: str) -> list[str]:
        described = DOCKERFILES[service].labels["org.opencontainers.image.description"]
        text = DOCKERFILES[service].text.replace(described, "")
        without_keys = re.sub(r"# A volume mounted here.*\nRUN install .*\n", "", text)
        return without_keys.replace(service, "SERVICE").splitlines()

    assert neutral("gateway") == neutral("rooms") == neutral("history") == neutral("auth")
