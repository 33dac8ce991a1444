import argparse
from pathlib import Path

import pytest

from madang_common.arguments import add_user_options, positive_seconds


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
