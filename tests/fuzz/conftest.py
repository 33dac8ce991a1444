"""Fuzzing: seeded, and for a bounded time."""

import pytest

from tests.fuzz.campaign import SECONDS, SEED, Campaign

_TESTS = pytest.StashKey[int]()


def pytest_report_header() -> str:
    """Print how to reproduce the failure."""
    return f"fuzz: FUZZ_SEED={SEED} FUZZ_SECONDS={SECONDS:g}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Share the time among the tests that take rounds."""
    fuzzing = [item for item in items if "campaign" in getattr(item, "fixturenames", ())]
    config.stash[_TESTS] = len(fuzzing)
    for item in fuzzing:
        item.add_marker(pytest.mark.timeout(120 + 2 * SECONDS))


@pytest.fixture
def campaign(pytestconfig: pytest.Config) -> Campaign:
    """Give this test's share of the time."""
    return Campaign(SECONDS / pytestconfig.stash[_TESTS])
