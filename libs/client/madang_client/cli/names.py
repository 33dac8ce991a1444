"""Names of people and rooms in a line of text, set apart from the words around them.

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
    """Return `name` in quotes; one written from right to left does not turn what is around it."""
    shown = plain(name).translate(_QUOTES)
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in shown):
        shown = f"\N{FIRST STRONG ISOLATE}{shown}\N{POP DIRECTIONAL ISOLATE}"
    return f"“{shown}”"


def listed(name: str) -> str:
    """Return `name` as it stands before a colon or in a list: in quotes if it has either itself."""
    return quoted(name) if _SEPARATORS & set(name) else plain(name)
