"""The relay: outbox rows go into the log, in their order, and are deleted once confirmed.

A process killed between the log's confirm and the delete leaves the rows to be appended a second
time, with the same keys, by which every reader knows them.

Of several replicas each wants a turn when it committed something, and one has it at a time; it
carries what all of them committed, until nothing is left. So a change is on its way as soon as it
is committed, whichever replica took it. The order does not hang on that: were two to carry at once,
an event would still come into the log for the first time behind those of its audience that were
committed before. For whoever sees a row also sees these, or else they were deleted, which is to
say confirmed; and those that one chunk holds go in one batch, in order.
"""

import asyncio
from collections.abc import Sequence

import structlog

from madang_common.log.batching import BatchLimits, BatchQueue
from madang_common.log.port import LogError
from madang_common.log.publisher import Done, Publisher
from madang_common.problems import Unavailable
from madang_rooms.metrics import RoomsMetrics
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.database import Database
from madang_rooms.storage.models import OutboxRow
from madang_rooms.storage.repositories.outbox import Outbox

log = structlog.get_logger()


class Relay:
    """Carries the outbox into the log, one chunk after the other.

    The publisher is the relay's own and empty between chunks, and a chunk is no larger than a
    batch. So each shard's rows of a chunk make one batch, which is stored whole or not at all: no
    event overtakes one of its audience that failed.
    """

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        metrics: RoomsMetrics,
        settings: RoomsSettings,
    ) -> None:
        """Append through `publisher`, which nobody else uses."""
        self._database = database
        self._publisher = publisher
        self._metrics = metrics
        self._settings = settings
        self._limits = BatchLimits(lines=settings.outbox_chunk_rows)
        self._woken = asyncio.Event()
        self._awaited: set[asyncio.Event] = set()
        """Set when what was committed before is in the log."""
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin, with what stands in the outbox already; the work goes on until `stop`."""
        self._task = asyncio.create_task(self._run(), name="rooms-relay")
        return self._task

    def wake(self) -> None:
        """Look at the outbox now: something was committed."""
        self._woken.set()

    async def carried(self) -> None:
        """Return when all that was committed before is in the log, or a moment has passed.

        Whoever hears that a member is out may take it that what they send from then on does not
        reach that member. The log being away holds nobody up for longer.
        """
        done = asyncio.Event()
        self._awaited.add(done)
        self.wake()
        try:
            async with asyncio.timeout(self._settings.outbox_answer_seconds):
                await done.wait()
        except TimeoutError:
            log.warning("outbox_not_carried_in_time")
        finally:
            self._awaited.discard(done)

    async def stop(self) -> None:
        """Finish the chunk on its way, if the log lets it; the rest waits for the next start."""
        self._stopping = True
        self.wake()
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=self._settings.outbox_stop_seconds)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            try:
                async with self._database.turn() as turn:
                    if turn is None:
                        # Somebody else carries. That may be about to end before the newest row.
                        continue
                    await self._carry(turn)
            except Unavailable as error:
                log.warning("relay_waits", error=str(error))
            except Exception:
                # Whatever it was, the rows are still there, and have to be carried.
                log.exception("relay_failed")
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._settings.outbox_poll_seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _carry(self, turn: Database) -> None:
        """Carry all that is there, or until the log does not take it."""
        while not self._stopping:
            self._woken.clear()
            if not await self._carry_chunk(turn):
                return

    async def _carry_chunk(self, turn: Database) -> bool:
        """Append and delete the oldest rows; return whether to go on at once."""
        awaited = set(self._awaited)  # before looking, which then finds what these committed
        async with turn.reading() as session:
            outbox = Outbox(session, 0)
            self._metrics.outbox(*await outbox.waiting())
            first = await outbox.first(self._settings.outbox_chunk_rows)
        rows = self._chunk(first)
        if not rows:
            for done in awaited:
                done.set()
            return False
        errors = await self._append(rows)
        confirmed = [row.id for row, error in zip(rows, errors, strict=True) if error is None]
        failed = len(rows) - len(confirmed)
        if confirmed:
            async with turn.writing() as session:
                await Outbox(session, 0).delete(confirmed)
                await turn.commit(session)
        self._metrics.relayed(confirmed=len(confirmed), failed=failed)
        if failed:
            log.warning("outbox_rows_failed", rows=failed, error=str(next(filter(None, errors))))
        return not failed

    def _chunk(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        """Return as many of the oldest rows as fit into one batch."""
        queue: BatchQueue[OutboxRow] = BatchQueue(self._limits)
        for row in rows:
            queue.add((row.line,), len(row.line), row)
        return queue.take()[1]

    async def _append(self, rows: Sequence[OutboxRow]) -> list[LogError | None]:
        """Give `rows` to the publisher without a pause; return how each of them went."""
        loop = asyncio.get_running_loop()
        given: list[asyncio.Future[LogError | None]] = []
        refused: LogError | None = None
        for row in rows:
            outcome: asyncio.Future[LogError | None] = loop.create_future()
            try:
                self._publisher.append(row.audience, row.line, _settling(outcome))
            except LogError as error:
                # Nothing behind a refused row may go before it.
                refused = error
                break
            given.append(outcome)
        outcomes = await asyncio.gather(*given)
        return [*outcomes, *[refused] * (len(rows) - len(given))]


def _settling(outcome: asyncio.Future[LogError | None]) -> Done:
    def done(error: LogError | None) -> None:
        if not outcome.done():
            outcome.set_result(error)

    return done
