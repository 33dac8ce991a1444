import pytest

from madang_gateway.protocol.display_names import set_apart


@pytest.mark.parametrize(
    "name", ["Minji", "민지 김", "Mary-Jane O\u2019Neil", "O'Neil_2", "प्रिया", "Ünal", "李 小龍"]
)
def test_a_plain_name_is_unchanged(name: str) -> None:
    assert set_apart(name) == name


@pytest.mark.parametrize(
    "name", ["Minji left. Madang Admin", "a: b", "<b>Jun</b>", "Jun 🌱", "a\u3000b", "{name}"]
)
def test_a_name_that_could_be_taken_for_more_is_quoted(name: str) -> None:
    assert set_apart(name) == f"\u2068“{name}”\u2069"


@pytest.mark.parametrize("name", ["دانا", "נועה", "Jun דן"])
def test_a_right_to_left_name_is_isolated(name: str) -> None:
    assert set_apart(name) == f"\u2068{name}\u2069"


@pytest.mark.parametrize("mark", list('"“”„«»'))
def test_a_name_cannot_end_its_quotation(mark: str) -> None:
    assert set_apart(f"Mina{mark} left. {mark}Jun") == "\u2068“Mina' left. 'Jun”\u2069"


@pytest.mark.parametrize("control", "\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u202e\u200f")
def test_a_name_cannot_end_its_isolation(control: str) -> None:
    assert set_apart(f"Mina{control} left.") == "\u2068“Mina left.”\u2069"
