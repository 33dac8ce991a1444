"""Request parameters and their limits."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from madang_common.log.position import ID_PATTERN, from_id

_Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
_Kind = Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$", max_length=64)]

Room = Annotated[str, Path(min_length=1, max_length=64)]
MessageId = Annotated[_Id, Path(description="Id of an event.")]
Before = Annotated[_Id | None, Query(description="Id of the event that the page ends before.")]
After = Annotated[_Id | None, Query(description="Id of the event that the page begins after.")]
Around = Annotated[_Id | None, Query(description="Id of the event in the middle of the page.")]
Limit = Annotated[int, Query(ge=1, le=100)]
KindList = Annotated[
    list[_Kind],
    Query(max_length=16, description="Kinds of events to include; all if none is given."),
]
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
