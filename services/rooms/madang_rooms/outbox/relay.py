"""The relay: publishes outbox rows to the log in order, and deletes those that it confirmed.

A process killed between the log's confirm and the delete leaves the rows, and they are appended
again. Readers recognize the duplicates by their keys.

Any replica that committed an event tries to take the outbox lock. The holder publishes the rows of
all replicas until the outbox is empty. So a change is published right after its commit, whichever
replica committed it. The order does not depend on the lock: if two replicas published at once, an
event could still not reach the log for the first time before earlier events of its audience. A
replica that sees a row sees the earlier rows too, unless they were confirmed and deleted; and the
rows of one chunk are appended in order, as one batch.
"""

import asyncio
from collections.abc import Sequence

import structlog

from madang_common.log.batching import BatchLimits, BatchQueue
from madang_common.log.port import LogError, LogUnusable
from madang_common.log.publisher import Done, Publisher
from madang_common.problems import Unavailable
from madang_rooms.metrics import RoomsMetrics
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.database import Database
from madang_rooms.storage.models import OutboxRow
from madang_rooms.storage.repositories.outbox import Outbox

log = structlog.get_logger()


class Relay:
    """Publishes the outbox, one chunk after another.

    The publisher belongs to the relay and is empty between chunks, and a chunk fits into a batch.
    So each shard's rows of a chunk form one batch, which is stored as a whole or not at all: no
    event overtakes a failed event of its audience.
    """

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        metrics: RoomsMetrics,
        settings: RoomsSettings,
    ) -> None:
        """Append through `publisher`, which nothing else uses."""
        self._database = database
        self._publisher = publisher
        self._metrics = metrics
        self._settings = settings
        self._limits = BatchLimits(lines=settings.outbox_chunk_rows)
        self._woken = asyncio.Event()
        self._waiters: set[asyncio.Event] = set()
        """Set when the outbox was seen empty after they were added."""
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Publish the outbox from now on, until `stop`."""
        self._task = asyncio.create_task(self._run(), name="rooms-relay")
        return self._task

    def wake(self) -> None:
        """Read the outbox now, because something was committed."""
        self._woken.set()

    async def published(self) -> None:
        """Return when every row that was committed before this call is in the log."""
        empty = asyncio.Event()
        self._waiters.add(empty)
        self.wake()
        try:
            await empty.wait()
        finally:
            self._waiters.discard(empty)

    async def stop(self) -> None:
        """Finish the current chunk, if the log takes it; the rest waits for the next start."""
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
                async with self._database.lock_outbox() as locked:
                    if locked is None:
                        # The holder may stop before it sees the newest row: try again at once.
                        continue
                    await self._publish(locked)
            except Unavailable as error:
                log.warning("relay_waits", error=str(error))
            except Exception:
                # The rows are still in the outbox, so any failure is retried.
                log.exception("relay_failed")
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._settings.outbox_poll_seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _publish(self, locked: Database) -> None:
        """Publish until the outbox is empty or the log fails."""
        while not self._stopping:
            self._woken.clear()
            if not await self._publish_chunk(locked):
                return

    async def _publish_chunk(self, locked: Database) -> bool:
        """Append and delete the oldest rows; return whether to continue at once."""
        waiters = set(self._waiters)  # before the read, which then includes their rows
        async with locked.reading() as session:
            outbox = Outbox(session, 0)
            self._metrics.outbox(*await outbox.waiting())
            oldest = await outbox.oldest(self._settings.outbox_chunk_rows)
        rows = self._chunk(oldest)
        if not rows:
            for empty in waiters:
                empty.set()
            return False
        errors = await self._append(rows)
        confirmed = [row.id for row, error in zip(rows, errors, strict=True) if error is None]
        failed = len(rows) - len(confirmed)
        if confirmed:
            async with locked.writing() as session:
                await Outbox(session, 0).delete(confirmed)
                await locked.commit(session)
        self._metrics.relayed(confirmed=len(confirmed), failed=failed)
        if failed:
            error = next(filter(None, errors))
            # GuardedLog has logged this once; do not repeat it at every poll.
            if not isinstance(error, LogUnusable):
                log.warning("outbox_rows_failed", rows=failed, error=str(error))
        return not failed

    def _chunk(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        """Return as many of the oldest rows as fit into one batch."""
        queue: BatchQueue[OutboxRow] = BatchQueue(self._limits)
        for row in rows:
            queue.add((row.line,), len(row.line), row)
        return queue.take()[1]

    async def _append(self, rows: Sequence[OutboxRow]) -> list[LogError | None]:
        """Give all `rows` to the publisher at once; return the error of each, or None."""
        loop = asyncio.get_running_loop()
        given: list[asyncio.Future[LogError | None]] = []
        refused: LogError | None = None
        for row in rows:
            outcome: asyncio.Future[LogError | None] = loop.create_future()
            try:
                self._publisher.append(row.audience, row.line, _set_result(outcome))
            except LogError as error:
                # The rows after a refused one must not overtake it.
                refused = error
                break
            given.append(outcome)
        outcomes = await asyncio.gather(*given)
        return [*outcomes, *[refused] * (len(rows) - len(given))]


def _set_result(outcome: asyncio.Future[LogError | None]) -> Done:
    def done(error: LogError | None) -> None:
        if not outcome.done():
            outcome.set_result(error)

    return done
