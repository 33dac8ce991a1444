"""Emoji of reactions."""

import pytest
from emoji import EMOJI_DATA, STATUS
from hypothesis import given
from hypothesis import strategies as st

from madang_gateway.publish.emoji import fully_qualified


@pytest.mark.parametrize(
    ("text", "emoji"),
    [
        ("👍", "👍"),
        ("👍\ufe0f", "👍"),
        ("❤", "❤\ufe0f"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("👍🏽", "👍🏽"),
        ("🏳️‍🌈", "🏳️‍🌈"),
        ("🏳‍🌈", "🏳️‍🌈"),
        ("👩‍❤‍👨", "👩‍❤️‍👨"),
        ("1⃣", "1️⃣"),
        ("🇰🇷", "🇰🇷"),
        ("👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"),
    ],
)
def test_an_emoji_has_one_spelling(text: str, emoji: str) -> None:
    assert fully_qualified(text) == emoji


@pytest.mark.parametrize(
    "text", ["", "a", "1", "👍👍", "👍 ", " 👍", ":+1:", "🏽", "\ufe0f", "🇰", "‍", "👍\u200b", "©©"]
)
def test_anything_else_is_no_emoji(text: str) -> None:
    with pytest.raises(ValueError, match="must be one emoji"):
        fully_qualified(text)


def test_every_spelling_of_unicode_leads_to_its_recommended_one() -> None:
    for text, facts in EMOJI_DATA.items():
        if facts["status"] != STATUS["component"]:
            emoji = fully_qualified(text)
            assert EMOJI_DATA[emoji]["status"] == STATUS["fully_qualified"]
            assert EMOJI_DATA[emoji]["en"] == facts["en"]


@given(st.text())
def test_the_form_of_an_emoji_is_its_own(text: str) -> None:
    try:
        emoji = fully_qualified(text)
    except ValueError:
        return
    assert fully_qualified(emoji) == emoji
