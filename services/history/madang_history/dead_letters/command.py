"""`madang-history dead`: look at the lines that could not be stored, and send them again."""

from collections.abc import Collection, Iterator

from madang_common.log.port import Log
from madang_history.dead_letters.port import DeadLine, DeadLines
from madang_history.dead_letters.resend import Resend, name_of

_SHOWN = 300
"""Characters of a line that are shown, if not the whole of it."""


async def show(dead_lines: DeadLines, *, most: int, whole: bool) -> list[str]:
    """Return a paragraph for each of the oldest `most` dead lines."""
    shown: list[str] = []

    async def look(dead: DeadLine) -> bool:
        line = _printable(dead.line.decode(errors="backslashreplace"))
        if len(line) > _SHOWN and not whole:
            line = f"{line[:_SHOWN]}… ({len(dead.line)} bytes)"
        shown.append(f"{name_of(dead)}  {_printable(dead.reason)}\n    {line}")
        return False

    await dead_lines.visit(look, most=most)
    return shown


async def resend(
    dead_lines: DeadLines, chat_log: Log, names: Collection[str] | None, *, most: int
) -> tuple[list[str], list[str]]:
    """Send the dead lines with `names`, or all, and return what was done and what could not be."""
    work = Resend(chat_log, names)
    await work.run(dead_lines, most=most)
    done = [f"{name}  sent again" for name in work.sent]
    return done, list(_failures(work))


def _failures(work: Resend) -> Iterator[str]:
    for name, reason in work.refused.items():
        yield f"{name}  cannot be sent: {_printable(reason)}"
    for name in work.unknown:
        yield f"{_printable(name)}  is not there"


def _printable(text: str) -> str:
    """Return `text` with whatever a terminal might obey written out."""
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )
