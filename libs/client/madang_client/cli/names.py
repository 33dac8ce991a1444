"""Names of users and rooms in a line of text, delimited from the text around them.

A display name may be `Minji left. Madang Admin`; in quotes it stays one name. Quotes inside it
become apostrophes, so that it cannot close them.
"""

import unicodedata

from madang_client.cli.plain import plain

_QUOTES = str.maketrans(dict.fromkeys('"“”„‟«»', "'"))
# Colons and commas, narrow and wide.
_SEPARATORS = frozenset(":,\u2236\u3001\ufe13\ufe55\uff0c\uff1a")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def quoted(name: str) -> str:
    """Return `name` in quotes, isolated so that its direction does not affect other text."""
    shown = plain(name).translate(_QUOTES)
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in shown):
        shown = f"\N{FIRST STRONG ISOLATE}{shown}\N{POP DIRECTIONAL ISOLATE}"
    return f"“{shown}”"


def listed(name: str) -> str:
    """Return `name` for use before a colon or in a list; quoted if it contains either."""
    return quoted(name) if _SEPARATORS & set(name) else plain(name)
