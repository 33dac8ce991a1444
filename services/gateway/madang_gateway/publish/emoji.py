"""Emoji of reactions: one spelling for each."""

from emoji import EMOJI_DATA, STATUS

_SELECTOR = "\ufe0f"
"""VARIATION SELECTOR-16, which asks for the picture and is often left out."""
_FULLY_QUALIFIED = {
    text.replace(_SELECTOR, ""): text
    for text, facts in EMOJI_DATA.items()
    if facts["status"] == STATUS["fully_qualified"]
}


def fully_qualified(text: str) -> str:
    """Return the emoji `text` as Unicode recommends to write it; ValueError if it is not one."""
    emoji = _FULLY_QUALIFIED.get(text.replace(_SELECTOR, ""))
    if emoji is None:
        raise ValueError("must be one emoji.")
    return emoji
