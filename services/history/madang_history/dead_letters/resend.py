"""Appends dead letters to the log again."""

from collections.abc import Collection

from madang_common.events.envelope import read_line
from madang_common.log.port import Log
from madang_common.log.position import shard_of, to_id
from madang_history.dead_letters.port import DeadLetter, DeadLetters


def name_of(letter: DeadLetter) -> str:
    """Return the name of `letter` for operators: shard and position."""
    return f"{letter.shard}/{to_id(letter.position)}"


class Resend:
    """Appends dead letters that can be decoded now to the shard of their event's audience.

    Each is deleted when its append is durable. A failure in between appends it twice, which the
    event's idempotency key makes harmless. A line that still cannot be stored becomes a dead letter
    again.
    """

    def __init__(self, chat_log: Log, names: Collection[str] | None) -> None:
        """Resend those with `names`, or all if `names` is None."""
        self._log = chat_log
        self._names = names
        self.sent: list[str] = []
        self.refused: dict[str, str] = {}
        """Names of those that cannot be decoded, with the reason."""

    async def run(self, dead_letters: DeadLetters, *, most: int) -> None:
        """Visit the oldest `most` dead letters; raise LogError or DeadLettersUnavailable."""
        await dead_letters.visit(self._settle, most=most)

    @property
    def unknown(self) -> list[str]:
        """Names that no visited dead letter had."""
        return sorted(set(self._names or ()) - {*self.sent, *self.refused})

    async def _settle(self, letter: DeadLetter) -> bool:
        name = name_of(letter)
        if self._names is not None and name not in self._names:
            return False
        try:
            audience = read_line(letter.line).audience
        except ValueError as error:
            self.refused[name] = str(error)
            return False
        await self._log.append(shard_of(audience, self._log.shards), (letter.line,))
        self.sent.append(name)
        return True
