"""Folders of the composed product and its engine."""

from tests.compose.composed import Composed
from tests.compose.engine import Engine
from tests.compose.trees import cache


def composed() -> Composed:
    """Return the one of this machine, running or not."""
    return Composed(cache() / "product", Engine(cache() / "engine"))
