"""Pytest's view of the full product: one that all tests share, and one that they may break."""

from collections.abc import Callable, Iterator

import pytest
from filelock import FileLock

from stack.run import ServerRun
from stack.stack import Stack
from tests.support.test_settings import TEST_SETTINGS

_SETTINGS = TEST_SETTINGS | {"MADANG_DRAIN_SECONDS": "3"}
"""They do not wait for the last connection for long."""
_LOAD = {
    "MADANG_SENDS_PER_SECOND": "1000",
    "MADANG_SENDS_BURST": "1000",
    "MADANG_FRAMES_PER_SECOND_PER_ADDRESS": "100000",
    "MADANG_FRAMES_BURST_PER_ADDRESS": "100000",
}
"""A few users on one address send as much as many would."""
_LOG = {"MADANG_LOG_EPOCH", "MADANG_LOG_SHARDS"}
_TURN_SECONDS = 300
_TEST_SECONDS = 400
"""Longest time of a test on a stack: it may start one first, or wait for its turn."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _stacks(item) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TEST_SECONDS))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """Tell how late a test comes: those that take turns first, so that one worker has them all.

    Those with settings of their own restart the services, and so does the first one after them.
    """
    stacks = _stacks(item)
    if "mortal_stack" in stacks:
        return 1
    return 0 if "mortal_stack_with" in stacks else 2


def _stacks(item: pytest.Item) -> set[str]:
    """Return the stacks that a test requests, directly or by its mark."""
    told = [name for mark in item.iter_markers("usefixtures") for name in mark.args]
    asked = {*getattr(item, "fixturenames", ()), *told}
    return {"stack", "mortal_stack", "mortal_stack_with"} & asked


@pytest.fixture(scope="session")
def stack(server_run: ServerRun) -> Stack:
    """Give the running product that all tests share; none of them stops any part of it."""
    stack = Stack(server_run.folder / "stack")
    server_run.watch()
    stack.up(settings=_SETTINGS)
    return stack


@pytest.fixture
def mortal_stack_with(server_run: ServerRun) -> Iterator[Callable[..., Stack]]:
    """Give a function that returns the mortal stack with `MADANG_…` settings of the test's own."""
    stack = Stack(server_run.folder / "mortal-stack")
    server_run.watch()

    def heal(**settings: str) -> Stack:
        # An epoch that an earlier test began stays.
        log = {name: text for name, text in stack.settings.items() if name in _LOG}
        stack.heal(settings=_SETTINGS | _LOAD | log | settings)
        return stack

    with FileLock(server_run.folder / "mortal-stack.lock", timeout=_TURN_SECONDS):
        yield heal


@pytest.fixture
def mortal_stack(mortal_stack_with: Callable[..., Stack]) -> Stack:
    """Give a whole running product whose parts may be stopped, killed and paused.

    All tests of a run use the same one after another, also those of other workers: what earlier
    tests wrote is in it, and everything runs again when the next one begins.
    """
    return mortal_stack_with()
