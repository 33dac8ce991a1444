"""Request parameters and their limits."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import Field

from madang_common.log.position import ID_PATTERN, from_id
from madang_common.problems import InvalidRequest
from madang_history.store.pages import E, Page, Pages
from madang_history.store.port import Kinds

_Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
_Kind = Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$", max_length=64)]

Room = Annotated[str, Path(min_length=1, max_length=64)]
MessageId = Annotated[
    _Id, Path(description="Id of a message, which is that of the event that created it.")
]
EventName = Annotated[_Id, Path(description="Id of an event.")]
After = Annotated[_Id | None, Query(description="Id of an event; only later events are included.")]
VersionLimit = Annotated[int, Query(ge=1, le=100)]
Audience = Annotated[
    str, Query(pattern=r"^(rooms|users)\.", max_length=80, description="`rooms.x` or `users.y`.")
]
EventLimit = Annotated[int, Query(ge=1, le=1000)]
ByteLimit = Annotated[int, Query(ge=1, le=16_777_216)]
Sender = Annotated[str, Query(min_length=1, max_length=128)]
Key = Annotated[str, Query(min_length=1, max_length=512)]


def position_of(event_id: str | None) -> int | None:
    """Return the position of `event_id`, None for None."""
    return None if event_id is None else from_id(event_id)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page of events or messages: the newest, or the one at the given cursor."""

    limit: int
    before: int | None
    after: int | None
    around: int | None

    async def of(self, pages: Pages[E]) -> Page[E]:
        """Return the requested one of `pages`."""
        if self.before is not None:
            return await pages.before(self.before, self.limit)
        if self.after is not None:
            return await pages.after(self.after, self.limit)
        if self.around is not None:
            return await pages.around(self.around, self.limit)
        return await pages.newest(self.limit)


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    before: Annotated[
        _Id | None, Query(description="Id of the item that the page ends before.")
    ] = None,
    after: Annotated[
        _Id | None, Query(description="Id of the item that the page begins after.")
    ] = None,
    around: Annotated[
        _Id | None, Query(description="Id of the item in the middle of the page.")
    ] = None,
) -> PageRequest:
    if sum(given is not None for given in (before, after, around)) > 1:
        raise InvalidRequest("Give only one of before, after and around.")
    return PageRequest(limit, position_of(before), position_of(after), position_of(around))


async def _kinds(
    kinds: Annotated[
        list[_Kind],
        Query(max_length=16, description="Kinds of events to include; all if none is given."),
    ] = [],  # noqa: B006 - FastAPI copies it
) -> Kinds:
    return kinds


RequestedPage = Annotated[PageRequest, Depends(_page_request)]
"""The page in the query; 400 for several cursors."""
RequestedKinds = Annotated[Kinds, Depends(_kinds)]
