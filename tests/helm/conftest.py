"""Fixtures: each way to install, and one to plant faults in."""

from pathlib import Path

import pytest

from contracts.chart.manifests import Manifests
from tests.helm.cases import Case, cases


@pytest.fixture(params=cases().values(), ids=lambda case: case.name, scope="session")
def case(request: pytest.FixtureRequest) -> Case:
    """Give one way to install after the other."""
    found: Case = request.param
    return found


@pytest.fixture(scope="session")
def manifests(case: Case) -> Manifests:
    """Give the objects of each way to install."""
    return case.manifests


@pytest.fixture(scope="session")
def external() -> Manifests:
    """Give the objects of an installation with external servers, to plant faults in."""
    return cases()["external"].manifests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder for the files that containers find in their volumes."""
    return tmp_path
