"""Who may change a message, and how far.

| event | who | refused |
| --- | --- | --- |
| `message.edited` | the author | if the message is too old |
| `message.deleted` | the author, moderators, owners | to the author if it is too old |
| `message.pinned`, `message.unpinned` | moderators, owners | |
| `reaction.added`, `.removed` | every member | if there are too many reactions |

Each is refused if the message is deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from madang_common.events.kinds import MODERATING, Role
from madang_common.events.message_kinds import (
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageUnpinned,
    ReactionAdded,
    ReactionRemoved,
)
from madang_common.problems import DeletedMessage, Forbidden, TooManyReactions
from madang_fold import MAX_EMOJI, MAX_REACTIONS, Message

CHANGES = frozenset(
    data.kind
    for data in (
        MessageEdited,
        MessageDeleted,
        MessagePinned,
        MessageUnpinned,
        ReactionAdded,
        ReactionRemoved,
    )
)
"""The kinds of events that change the message in their field `message`."""


class Change(NamedTuple):
    """A change that a member of the room wants to make to a message."""

    kind: str
    """The kind of the event."""
    data: Mapping[str, Any]
    user: str
    role: Role | None
    at: float
    """Now, in Unix time."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Decides whether a change is allowed."""

    edit_seconds: float
    """Age at which the author can no longer edit or delete a message; 0 is no limit."""

    def check(self, change: Change, message: Message) -> None:
        """Raise Forbidden, DeletedMessage or TooManyReactions unless `change` is allowed."""
        if message.deleted:
            raise DeletedMessage
        kind = change.kind
        if kind == ReactionAdded.kind:
            _check_room(message, change.data["emoji"], change.user)
        elif kind == MessageEdited.kind:
            if message.sender != change.user:
                raise Forbidden("You can only edit your own messages.")
            self._check_age(message, change.at)
        elif kind == MessageDeleted.kind and change.role not in MODERATING:
            if message.sender != change.user:
                raise Forbidden("Only moderators and owners delete the messages of others.")
            self._check_age(message, change.at)
        elif kind in _PINS and change.role not in MODERATING:
            raise Forbidden("Only moderators and owners pin and unpin messages.")

    def _check_age(self, message: Message, now: float) -> None:
        limit = self.edit_seconds
        if limit and now - datetime.fromisoformat(message.at).timestamp() > limit:
            raise Forbidden(f"A message can be changed for {limit:g} s after it was sent.")


_PINS = frozenset({MessagePinned.kind, MessageUnpinned.kind})


def _check_room(message: Message, emoji: str, user: str) -> None:
    """Raise TooManyReactions if there is no room for a reaction."""
    reactions = message.reactions
    users = reactions.get(emoji, ())
    if not users and len(reactions) >= MAX_EMOJI:
        raise TooManyReactions(f"A message may have {MAX_EMOJI} different emoji.")
    if sum(map(len, reactions.values())) >= MAX_REACTIONS and user not in users:
        raise TooManyReactions(f"A message may have {MAX_REACTIONS} reactions.")
