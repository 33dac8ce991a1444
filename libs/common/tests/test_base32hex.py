import pytest

from madang_common import base32hex


def test_encoded_numbers_sort_as_text() -> None:
    numbers = [0, 1, 31, 32, 1023, 1024, 2**60 - 1]

    encoded = [base32hex.encode(number, 12) for number in numbers]

    assert encoded == sorted(encoded)
    assert [base32hex.decode(text) for text in encoded] == numbers


@pytest.mark.parametrize("text", ["", "w", "A", "0 1", "-1"])
def test_other_characters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not base32hex"):
        base32hex.decode(text)
