import re
import unicodedata

import pytest

from madang_common import text
from madang_common.text import composed, visible_name

IGNORABLE = re.compile(f"[{text._IGNORABLE}]")


def name(given: str) -> str:
    return visible_name(given, max_length=64, noun="display name")


def test_there_are_as_many_ignorable_characters_as_unicode_has() -> None:
    found = [code for code in range(0x110000) if IGNORABLE.fullmatch(chr(code))]

    assert len(found) == 4174  # "Total code points" in DerivedCoreProperties.txt
    assert not any(unicodedata.category(chr(code)) == "Nd" for code in found)


@pytest.mark.parametrize(
    "given",
    [
        "나리",
        "minji",
        "José",
        "अनिल",
        "مريم",
        "1",
        "x" * 64,
        "🫩",
        "Minji Kim",
        "x\u0301",
        "👩‍👩‍👧‍👦",
        "👩🏽‍💻",
        "👁️‍🗨️",
        "❤️",
        "❤\ufe0e",
        "7️⃣",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",  # a Persian name
        "क्\u200dष",  # a half form
        "ක්\u200dරිස්",  # Sinhala writes this with a joiner
        "\u182d\u180b",  # Mongolian
    ],
)
def test_common_names_are_accepted(given: str) -> None:
    assert name(given) == unicodedata.normalize("NFC", given)


@pytest.mark.parametrize(
    "character",
    [
        "\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\ufff0", "\U000e0fff", "\U0001d159",
        "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u00ad", "\u034f", "\u061c", "\u2060",
        "\u180e", "\ufe0f", "\ufeff", "\u202e", "\u2066", "\u17b4", "\ufffc", "\U000e0100",
        "\U000e0067",
    ],
)  # fmt: skip
def test_invisible_characters_are_refused(character: str) -> None:
    for given in (character, character * 3, f"minji{character}", f"min{character}ji"):
        with pytest.raises(ValueError, match=rf"No invisible characters \(U\+{ord(character):04X}"):
            name(given)


@pytest.mark.parametrize(
    "given",
    [
        "👩‍",  # nothing to join
        "👩‍minji",
        "👩\ufe0f\ufe0f",
        "7\ufe0f",
        "🏴\U000e0067\U000e0062\U000e007f",
        "\u0627\u200c\u0628",  # the letter before joins nothing anyway
        "\U0001fae0\u200c",
        "\U0003fffd\u200d\U0003fffd",
    ],
)
def test_joiners_and_selectors_without_an_effect_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match="No invisible characters"):
        name(given)


@pytest.mark.parametrize("given", ["a\x00", "a\x1b[31m", "a\tb", "a\nb", "a\u2028b", "a\ud800"])
def test_controls_and_line_breaks_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match="No control characters or line breaks in a display name"):
        name(given)


@pytest.mark.parametrize("given", ["", "   ", "\u3000", "x" * 65, "가" * 65, " " * 256 + "x"])
def test_the_length_of_a_name_is_limited(given: str) -> None:
    with pytest.raises(ValueError, match=r"^1 to 64 characters\.$"):
        name(given)


def test_a_name_needs_a_visible_character() -> None:
    with pytest.raises(ValueError, match="At least one visible character"):
        name("\u0301\u20dd")


def test_a_name_is_composed_and_stripped() -> None:
    assert name(" \u1112\u1161\u11ab ") == composed("\u1112\u1161\u11ab") == "\ud55c"
