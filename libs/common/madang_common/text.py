"""Names that users choose: visible characters only, in one normalized form.

Invisible characters are recognised by Unicode's Default_Ignorable_Code_Point, not by their general
category: U+3164 HANGUL FILLER is a letter and invisible.
"""

import re
import unicodedata

import idna

# DerivedCoreProperties.txt, Default_Ignorable_Code_Point; the same from Unicode 14.0 to 17.0.
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Invisible without being ignorable: BRAILLE PATTERN BLANK, the annotation characters, OBJECT
# REPLACEMENT, the blanks of Egyptian hieroglyphs, KHITAN FILLER and MUSICAL SYMBOL NULL NOTEHEAD.
_BLANK = "\u2800\ufff9-\ufffc\U00013441-\U00013442\U00016fe4\U0001d159"
_INVISIBLE = re.compile(f"[{_IGNORABLE}{_BLANK}]")

_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DEPENDENT = frozenset({"Cf", "Me", "Mn", "Zs"})
"""Categories of characters that are invisible on their own."""
MAX_COMPOSED = 4
"""Most characters that NFC composes into one (UAX 15)."""
_JOINERS = frozenset("\u200c\u200d")

# The blocks that emoji come from, and a few symbols that are emoji beside them.
_EMOJI = "\u203c\u2049\u2122-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_ALLOWED_INVISIBLE = re.compile(
    f"(?<=[{_EMOJI}])\ufe0f?\u200d(?=[{_EMOJI}])"  # one emoji made of several
    f"|(?<=[{_EMOJI}])[\ufe0e\ufe0f]"  # as text, as emoji
    "|(?<=[0-9#*])\ufe0f(?=\u20e3)"  # a keycap
    # The flags of England, Scotland and Wales.
    "|(?<=\U0001f3f4)\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    "|(?<=\U0001f3f4)\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    "|(?<=\U0001f3f4)\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
    "|(?<=[\u1820-\u18aa])[\u180b-\u180f]"  # the form of a Mongolian letter
)


def composed(text: str) -> str:
    """Return `text` as names are stored and compared: NFC, stripped."""
    return unicodedata.normalize("NFC", text).strip()


def visible_name(text: str, *, max_length: int, noun: str) -> str:
    """Return `text` as a name of 1 to `max_length` characters, composed and stripped.

    Raise ValueError, with a sentence that follows a field's name and a colon, if it is too long,
    contains control or invisible characters, or has no visible one. Joiners and variation selectors
    are allowed where a script or an emoji needs them. `noun` is the field, such as "display name".
    """
    # NFC composes at most four characters into one: a longer text cannot fit.
    name = composed(text[: MAX_COMPOSED * max_length + 1])
    if len(text) > MAX_COMPOSED * max_length or not 1 <= len(name) <= max_length:
        raise ValueError(f"1 to {max_length} characters.")
    kinds = {unicodedata.category(character) for character in name}
    if kinds & _CONTROLS:
        raise ValueError(f"No control characters or line breaks in a {noun}.")
    invisible = _invisible(name)
    if invisible is not None:
        raise ValueError(f"No invisible characters (U+{ord(invisible):04X}) in a {noun}.")
    if kinds <= _DEPENDENT:
        raise ValueError(f"At least one visible character in a {noun}.")
    return name


def _invisible(name: str) -> str | None:
    """Return the first invisible character of `name` that the characters around do not need."""
    allowed = {
        place for found in _ALLOWED_INVISIBLE.finditer(name) for place in range(*found.span())
    }
    for found in _INVISIBLE.finditer(name):
        place = found.start()
        if place not in allowed and not _joins(name, place):
            return found.group()
    return None


def _joins(name: str, place: int) -> bool:
    """Return whether a joiner is where it changes how letters are written (RFC 5892, A.1)."""
    if name[place] not in _JOINERS:
        return False
    try:
        return idna.valid_contextj(name, place)
    except (ValueError, idna.IDNAError):
        # The character next to it is unknown to this Python version.
        return False
