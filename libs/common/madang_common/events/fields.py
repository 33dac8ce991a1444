"""Types of the fields that several kinds of events have."""

from typing import Annotated

from pydantic import Field

from madang_common.log.position import ID_PATTERN

Id = Annotated[str, Field(min_length=1, max_length=64)]
"""Id of a user, a room or a login."""
EventId = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
"""Id of an event; a message has that of the event that created it."""
Name = Annotated[str, Field(min_length=1, max_length=128)]
