"""The chart itself: helm accepts it, its schema refuses wrong values, its copies are current."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from contracts.chart.readme import MissingMarkersError, with_values
from contracts.chart.rendering import CHART, ROOT, RenderError, helm, options, release
from contracts.chart.values import UndescribedValueError, introductions, values
from tests.helm.cases import Case, cases

_VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
_SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
_MARKERS = "# a\n\n<!-- values -->\nold\n<!-- /values -->\nend\n"
_ORIGINALS = {path.name: path for path in (ROOT / "deploy").rglob("*") if CHART not in path.parents}


def test_helm_lints_the_chart() -> None:
    trial = cases()["trial"].path

    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, "--values", trial)


def test_the_schema_is_valid() -> None:
    Draft7Validator.check_schema(_SCHEMA)


def test_the_schema_accepts_the_values_of_every_case(case: Case) -> None:
    Draft7Validator(_SCHEMA).validate(case.values)


def test_the_schema_refuses_every_misspelt_value() -> None:
    validator = Draft7Validator(_SCHEMA)

    accepted = [
        value.path for value in values(_VALUES) if validator.is_valid(_misspelt(value.path))
    ]

    assert not accepted


def _misspelt(path: tuple[str, ...]) -> Any:
    """Return the values with one key misspelt; the others at its level are left out."""
    *parents, last = path
    changed: dict[str, Any] = {f"{last}x": None}
    for key in reversed(parents):
        changed = {key: changed}
    return changed


def test_helm_uses_the_schema(tmp_path: Path) -> None:
    wrong = tmp_path / "values.yaml"
    wrong.write_text("gateway: {replica: 3}\n", encoding="utf-8")

    with pytest.raises(RenderError, match="replica"):
        release(cases()["trial"].path, wrong)


def test_files_of_the_chart_are_copies() -> None:
    copies = [path for path in (CHART / "files").rglob("*") if path.is_file()]

    assert copies
    for path in copies:
        if path.name in _ORIGINALS:
            assert path.read_bytes() == _ORIGINALS[path.name].read_bytes(), path


@pytest.mark.parametrize("original", ["prometheus/rules.yml", "grafana/dashboards"])
def test_monitoring_is_that_of_the_repository(original: str) -> None:
    place = ROOT / "deploy" / original
    files = [place] if place.is_file() else sorted(place.glob("*.json"))

    for path in files:
        copied = list((CHART / "files").rglob(path.name))
        assert [copy.read_bytes() for copy in copied] == [path.read_bytes()], path


def test_the_page_of_values_has_their_comments() -> None:
    text = """\
# -- One number.
one: 1
# About two.
# @ignored
two:
  # -- A map with a | in
  # its description.
  map: {a: b}
  inner:
    # -- Nested.
    deep: ""
"""
    written = with_values(_MARKERS, text)

    assert written.startswith("# a\n\n<!-- values -->\n\n| value")
    assert written.endswith("|\n\n<!-- /values -->\nend\n")
    assert "| `one` | `1` | One number. |" in written
    assert "### two\n\nAbout two.\n" in written
    assert '| `two.map` | `{"a": "b"}` | A map with a \\| in its description. |' in written
    assert '| `two.inner.deep` | `""` | Nested. |' in written


def test_a_value_without_a_comment_is_refused() -> None:
    with pytest.raises(UndescribedValueError, match=r"two\.three"):
        with_values(_MARKERS, "two:\n  three: 3\n")


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(MissingMarkersError):
        with_values("# a\n", "# -- One.\none: 1\n")


def test_no_comment_is_taken_for_another_value() -> None:
    text = "# -- First.\na: 1\nb: {}\n"

    assert [value.description for value in values(text)] == ["First.", ""]
    assert introductions(text) == {"b": ""}


def test_the_package_has_what_is_needed(tmp_path: Path) -> None:
    helm("package", CHART, "--destination", tmp_path)
    (archive,) = tmp_path.glob("madang-*.tgz")

    listed = subprocess.run(
        ["tar", "-tzf", archive], capture_output=True, text=True, check=True
    ).stdout.split()

    assert {"madang/values.schema.json", "madang/README.md"} <= set(listed)
    assert not [name for name in listed if name.startswith("madang/ci/")]


def test_rendering_is_the_same_each_time() -> None:
    chosen = cases()["trial-rendered"].path

    again = helm("template", "madang", CHART, *options(chosen))

    assert list(yaml.safe_load_all(again)) == list(release(chosen).objects)
