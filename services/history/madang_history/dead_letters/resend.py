"""Dead lines on their way back into the log."""

from collections.abc import Collection

from madang_common.events.envelope import read_line
from madang_common.log.port import Log
from madang_common.log.position import shard_of, to_id
from madang_history.dead_letters.port import DeadLine, DeadLines


def name_of(dead: DeadLine) -> str:
    """Return what an operator calls `dead`: its shard and its position."""
    return f"{dead.shard}/{to_id(dead.position)}"


class Resend:
    """Sends dead lines again that can be read now, by the events' own audience.

    Each is let go of when the log has it. A failure in between sends it twice, which counts once,
    for the event keeps its key. What still cannot be stored dies again.
    """

    def __init__(self, chat_log: Log, names: Collection[str] | None) -> None:
        """Send those with `names`, or all if that is None."""
        self._log = chat_log
        self._names = names
        self.sent: list[str] = []
        self.refused: dict[str, str] = {}
        """Those that cannot be sent, and why."""

    async def run(self, dead_lines: DeadLines, *, most: int) -> None:
        """Look at the oldest `most` lines; raise LogError or DeadLinesUnavailable."""
        await dead_lines.visit(self._settle, most=most)

    @property
    def unknown(self) -> list[str]:
        """Names that no line had."""
        return sorted(set(self._names or ()) - {*self.sent, *self.refused})

    async def _settle(self, dead: DeadLine) -> bool:
        name = name_of(dead)
        if self._names is not None and name not in self._names:
            return False
        try:
            audience = read_line(dead.line).audience
        except ValueError as error:
            self.refused[name] = str(error)
            return False
        await self._log.append(shard_of(audience, self._log.shards), (dead.line,))
        self.sent.append(name)
        return True
