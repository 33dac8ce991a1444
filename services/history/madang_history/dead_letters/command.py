"""`madang-history dead`: list dead letters, and resend them."""

from collections.abc import Collection, Iterator

from madang_common.log.port import Log
from madang_history.dead_letters.port import DeadLetter, DeadLetters
from madang_history.dead_letters.resend import Resend, name_of

_SHOWN_CHARACTERS = 300
"""Characters of a line that are shown without `--whole`."""


async def show(dead_letters: DeadLetters, *, most: int, whole: bool) -> list[str]:
    """Return a paragraph for each of the oldest `most` dead letters."""
    shown: list[str] = []

    async def add_paragraph(letter: DeadLetter) -> bool:
        line = _printable(letter.line.decode(errors="backslashreplace"))
        if len(line) > _SHOWN_CHARACTERS and not whole:
            line = f"{line[:_SHOWN_CHARACTERS]}… ({len(letter.line)} bytes)"
        shown.append(f"{name_of(letter)}  {_printable(letter.reason)}\n    {line}")
        return False

    await dead_letters.visit(add_paragraph, most=most)
    return shown


async def resend(
    dead_letters: DeadLetters, chat_log: Log, names: Collection[str] | None, *, most: int
) -> tuple[list[str], list[str]]:
    """Resend the dead letters with `names`, or all; return the successes and the failures."""
    work = Resend(chat_log, names)
    await work.run(dead_letters, most=most)
    done = [f"{name}  sent again" for name in work.sent]
    return done, list(_failures(work))


def _failures(work: Resend) -> Iterator[str]:
    for name, reason in work.refused.items():
        yield f"{name}  cannot be sent: {_printable(reason)}"
    for name in work.unknown:
        yield f"{_printable(name)}  is not there"


def _printable(text: str) -> str:
    """Return `text` with control characters escaped, which a terminal might interpret."""
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )
