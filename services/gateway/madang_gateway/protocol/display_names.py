"""Display names within sentences."""

import unicodedata

_PLAIN = frozenset(" -_'\u2019")
_UNQUOTED = dict.fromkeys(map(ord, '"\u201c\u201d\u201e\u201f\u301d\u301e\uff02\u00ab\u00bb'), "'")
"""Quotation marks, which could end the quotation."""
_CONTROLS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C))
"""Controls of the bidirectional algorithm, which could end the isolation."""
_INSIDE = _UNQUOTED | _CONTROLS
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_WORDS = frozenset("LMN")
"""Major categories of letters, their marks, and digits."""


def set_apart(name: str) -> str:
    """Return `name` for use in a sentence; no part of it can be taken for the sentence.

    A name of letters, digits, spaces, hyphens, underscores and apostrophes is unchanged; any other
    is quoted. Quoted and right-to-left names are isolated from the text direction around them.
    """
    if not all(map(_is_plain, name)):
        return f"\u2068\u201c{name.translate(_INSIDE)}\u201d\u2069"
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in name):
        return f"\u2068{name}\u2069"
    return name


def _is_plain(character: str) -> bool:
    return character in _PLAIN or unicodedata.category(character)[0] in _WORDS
