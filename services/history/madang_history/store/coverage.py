"""How far the events of an audience are stored, over all epochs of the log.

```
epoch 0             epoch 1                      epoch 2, the current one
├─── stored ───▶│   ├─── stored ───▶│╌╌ lost ╌╌  ├─── stored ───▶ stored_to ─ ─ ─▶ end of the log
             sealed              sealed
```

An epoch is sealed when everything of it is stored that ever will be; the next one is stored after
that. So the events up to `stored_to` are complete, except for those that were lost.
"""

from collections.abc import Iterable, Sequence

from madang_common.log.port import Log, LogError
from madang_common.log.position import epoch_of, offset_of, position, shard_of
from madang_common.problems import Unavailable
from madang_history.store.completeness import has_gap_after, is_beyond_end
from madang_history.store.port import Epoch, Gap, ProgressStore

_RETRY = "History is completing an earlier part of the log; retry in a moment."


class Coverage:
    """Answers for each audience how far it is stored, and what is missing.

    It remembers which shards are sealed, because that never changes: with all older epochs sealed,
    an answer takes one look-up of the current progress.
    """

    def __init__(self, store: ProgressStore) -> None:
        self._store = store
        self._epochs: Sequence[Epoch] = ()
        self._sealed: set[tuple[int, int]] = set()
        """Epoch and shard."""

    async def stored_to(self, audience: str) -> int | None:
        """Return the position up to which `audience` is stored, None if nothing is.

        It is in the oldest epoch that is not sealed.
        """
        epochs = self._epochs or await self._load()
        while True:
            for epoch in epochs:
                shard = shard_of(audience, epoch.shards)
                if (epoch.number, shard) in self._sealed:
                    continue
                progress = await self._store.progress_of(shard, epoch.number)
                if not progress.is_sealed:
                    return _before(progress.next)
                self._sealed.add((epoch.number, shard))
            # The last epoch has ended; another replica may store the next one already.
            last = epochs[-1]
            epochs = await self._load()
            if epochs[-1] == last:
                shard = shard_of(audience, last.shards)
                return _before((await self._store.progress_of(shard, last.number)).next)

    async def stored_to_each(self, audiences: Iterable[str]) -> dict[str, int | None]:
        """Return `stored_to` of each of `audiences`; looks up each shard once."""
        answers: dict[str, int | None] = {}
        known: dict[tuple[int, ...], int | None] = {}
        for audience in audiences:
            shards = self._shards_of(audience)
            if shards not in known:
                stored = await self.stored_to(audience)
                shards = self._shards_of(audience)  # in the epochs that were looked at
                known[shards] = stored
            answers[audience] = known[shards]
        return answers

    async def is_complete_after(
        self, audience: str, after: int, stored: int | None, chat_log: Log
    ) -> bool:
        """Return whether every event after position `after` is stored or still in the log.

        False if retention dropped one, if `after` lies in the lost part of an epoch, or if the log
        never had it. `stored` is what `stored_to` returned before; `chat_log` is the log of the
        current epoch. Raise Unavailable if that is not known yet.
        """
        epoch = epoch_of(offset_of(after + 1))
        if has_gap_after(after, await self._gaps(audience, epoch)):
            return False
        if epoch == chat_log.epoch:
            return await _is_in(chat_log, shard_of(audience, chat_log.shards), after, stored)
        known = self._known(epoch)
        if known is None and epoch > chat_log.epoch:
            await self._load()  # another replica may have entered it
            known = self._known(epoch)
        if known is None:
            return after < 0  # from the beginning, in a store that began with a later epoch
        if epoch > chat_log.epoch:
            raise Unavailable(_RETRY)  # this process is being replaced by one of that epoch
        progress = await self._store.progress_of(shard_of(audience, known.shards), epoch)
        if after < position(progress.next, 0):  # everything before `next` is stored
            return True
        if not progress.is_sealed:
            raise Unavailable(_RETRY)
        return False

    def _shards_of(self, audience: str) -> tuple[int, ...]:
        return tuple(shard_of(audience, epoch.shards) for epoch in self._epochs)

    def _known(self, epoch: int) -> Epoch | None:
        return next((known for known in self._epochs if known.number == epoch), None)

    async def _gaps(self, audience: str, since: int) -> list[Gap]:
        """Return the gaps of `audience` in the epochs from `since` on."""
        return [
            gap
            for epoch in self._epochs
            if epoch.number >= since
            for gap in await self._store.gaps(shard_of(audience, epoch.shards), epoch.number)
        ]

    async def _load(self) -> Sequence[Epoch]:
        self._epochs = await self._store.epochs()
        return self._epochs


async def _is_in(chat_log: Log, shard: int, after: int, stored: int | None) -> bool:
    """Return whether `after` is a position of `chat_log`, or the one before its first."""
    if stored is not None and after <= stored:
        return True
    try:
        return not is_beyond_end(after, await chat_log.end(shard))
    except LogError as error:
        raise Unavailable("The chat log does not answer; retry in a moment.") from error


def _before(offset: int) -> int | None:
    """Return the position before `offset`, None at the very beginning."""
    return position(offset, 0) - 1 if offset else None
