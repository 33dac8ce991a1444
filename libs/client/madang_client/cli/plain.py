"""Text of other users, made safe for a terminal."""

import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: str) -> str:
    """Return `text` without control characters, direction overrides and line breaks."""
    return "".join(_shown(character) for character in text)


def plain_lines(text: str) -> str:
    """As `plain`, but with line breaks."""
    return "\n".join(plain(line) for line in text.replace("\r\n", "\n").split("\n"))


def _shown(character: str) -> str:
    if character == "\t":
        return "    "
    if character in _BIDI or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
        return _REPLACEMENT
    return character
