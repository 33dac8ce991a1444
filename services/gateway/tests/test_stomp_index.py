"""docs/stomp.md and the tests of the specifications refer to each other."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INDEX = HERE.parents[2] / "docs" / "stomp.md"
PROTOCOL = "test_stomp_clauses.py"
CONNECTION = "test_stomp_clauses_connection.py"
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \| (⇄ )?`(test_\w+)` \|$", re.MULTILINE)


def clause_tests(module: str) -> dict[str, str]:
    """Return the tests of a module by name, with their docstrings."""
    tree = ast.parse((HERE / module).read_text("utf-8"))
    found = (n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return {n.name: ast.get_docstring(n) or "" for n in found if n.name.startswith("test_")}


def rows() -> list[tuple[str, str, str, str]]:
    """Return section, versions, module and test of each row."""
    return [
        (section, versions, CONNECTION if mark else PROTOCOL, test)
        for section, versions, mark, test in _ROW.findall(INDEX.read_text("utf-8"))
    ]


def test_every_row_is_read() -> None:
    lines = INDEX.read_text("utf-8").splitlines()

    assert len(rows()) == sum(line.startswith("| ") for line in lines) - 2


@pytest.mark.parametrize("module", [PROTOCOL, CONNECTION])
def test_the_index_names_every_test_and_no_other(module: str) -> None:
    assert {test for _, _, where, test in rows() if where == module} == clause_tests(module).keys()


@pytest.mark.parametrize("module", [PROTOCOL, CONNECTION])
def test_every_test_names_its_clause(module: str) -> None:
    for test, docstring in clause_tests(module).items():
        assert re.match(r"1\.[012](, 1\.[12])* [A-Z]", docstring), test


def test_every_row_says_what_its_test_says() -> None:
    for section, _, module, test in rows():
        docstring = clause_tests(module)[test]
        assert any(part in docstring for part in section.split(", ")), (section, test, docstring)
