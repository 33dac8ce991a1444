import argparse
from pathlib import Path

import pytest

from madang_common.arguments import add_user_options, positive_seconds, whole_number


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", ""])
def test_seconds_that_are_not_above_zero_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give a number of seconds above 0"):
        positive_seconds(text)


def test_an_empty_name_of_a_former_user_is_dropped() -> None:
    parser = argparse.ArgumentParser()
    add_user_options(parser, passwords="", former="")

    given = parser.parse_args(["--passwords", "/run/passwords", "--former", "", "madang"])

    assert given.passwords == Path("/run/passwords")
    assert given.former == ["madang"]
    assert parser.parse_args(["--passwords", "x"]).former == []


@pytest.mark.parametrize("text", ["1", "007", "10"])
def test_a_whole_number_is_read(text: str) -> None:
    assert whole_number(1, 100)(text) == int(text)


@pytest.mark.parametrize(
    "text", ["0", "-1", "101", "+5", "1_0", " 5", "1.5", "\u0665", "", "nan", "9" * 5000]
)
def test_what_is_no_whole_number_in_its_bounds_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a whole number from 1 to 100") as refused:
        whole_number(1, 100)(text)

    assert len(str(refused.value)) < 100
