"""What the package promises to those who install it alone."""

import sys
import tomllib
from pathlib import Path

import grimp

import madang_fold
from madang_fold import event, folding

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_the_package_needs_the_standard_library_only() -> None:
    graph = grimp.build_graph("madang_fold", include_external_packages=True, cache_dir=None)
    imported = {name.partition(".")[0] for name in graph.modules} - {"madang_fold"}

    assert "collections" in imported
    assert imported <= sys.stdlib_module_names
    assert tomllib.loads(PROJECT.read_text("utf-8"))["project"]["dependencies"] == []


def test_every_kind_has_a_step_and_a_check_of_its_data() -> None:
    assert folding._STEPS.keys() == event.KINDS
    assert folding._VALID.keys() | {event.MESSAGE_CREATED} == event.KINDS


def test_the_names_of_the_package_exist_and_are_sorted() -> None:
    assert sorted(madang_fold.__all__) == list(madang_fold.__all__)
    assert all(hasattr(madang_fold, name) for name in madang_fold.__all__)
