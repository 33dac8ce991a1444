"""Numbers as fixed-width lower-case base32hex digits, which sort as text (RFC 4648 section 7)."""

DIGITS = "0123456789abcdefghijklmnopqrstuv"
PAIRS = [high + low for high in DIGITS for low in DIGITS]
"""Two digits for each number below 1024."""


def encode(number: int, width: int) -> str:
    """Return `number` as exactly `width` digits (an even number), or raise ValueError."""
    if not 0 <= number < 1 << (5 * width):
        raise ValueError(f"{number} does not fit {width} base32hex digits")
    text = ""
    for _ in range(width // 2):
        text = PAIRS[number & 1023] + text
        number >>= 10
    return text


def decode(text: str) -> int:
    """Return the number that `text` encodes; raise ValueError for other characters."""
    if not text or text.strip(DIGITS):
        raise ValueError(f"not base32hex: {text[:32]!r}")
    return int(text, 32)
