import doctest
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_example_of_the_readme_is_right() -> None:
    failed, attempted = doctest.testfile(str(README), module_relative=False)

    assert attempted
    assert not failed
