"""The base class of each event kind's `data`; a subclass declares every fact about its kind."""

from collections.abc import Mapping
from enum import Enum, Flag, auto
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from typing_extensions import override

ROOM = "06h06kth7cvnl2h7pm7u28th"
ALICE = "06h06ktdkrb2i5o61ro2lqhs"
BOB = "06h06kteqf9fct0dendon72d"
"""Ids for the examples."""


class Audience(Flag):
    """Who receives the events of a kind; a kind with both is sent to one of them at a time."""

    ROOM = auto()
    """The members of a room."""
    USER = auto()
    """One user, on all of their connections."""


class MembershipChange(Enum):
    """How an event changes the memberships of its room."""

    BEGINS = auto()
    """The user in the field `user` becomes a member."""
    ROLE = auto()
    """The member in the field `user` gets another role."""
    ENDS = auto()
    """The user in the field `user` is not a member from here on; they receive no later event."""
    CLOSES_ROOM = auto()
    """Every member may read the room from here on, but not send to it."""


class Data(BaseModel):
    """The `data` of one kind of event: frozen, without unknown fields.

    A subclass declares the facts about its kind as class keywords; its docstring is the description
    of the kind in the published contracts. Everything else reads the facts from here or from the
    tables at the end of `kinds`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: ClassVar[str]
    """The `kind` of the event, `noun.verb`."""
    example: ClassVar[Mapping[str, Any]]
    """An example of the data, as JSON."""
    audience: ClassVar[Audience]
    durable: ClassVar[bool]
    """Whether it is stored in the log; if not, only current subscribers receive it."""
    membership: ClassVar[MembershipChange | None]
    """How it changes the memberships of its room, if at all."""
    requires_membership: ClassVar[bool]
    """Whether every reader of the log ignores it after the end of its sender's membership."""
    unread: ClassVar[bool]
    """Whether it counts as unread for members other than its sender."""
    awaits_log: ClassVar[bool]
    """Whether the request that causes it is answered only after the log has it.

    True where a membership ends: the user must not receive events sent after the response.
    """

    @override
    def __init_subclass__(
        cls,
        *,
        kind: str,
        example: Mapping[str, Any],
        audience: Audience = Audience.ROOM,
        durable: bool = True,
        membership: MembershipChange | None = None,
        requires_membership: bool = False,
        unread: bool = False,
    ) -> None:
        super().__init_subclass__()
        cls.kind = kind
        cls.example = example
        cls.audience = audience
        cls.durable = durable
        cls.membership = membership
        cls.requires_membership = requires_membership
        cls.unread = unread
        cls.awaits_log = membership is MembershipChange.ENDS

    @override
    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Check the facts against the fields: called by pydantic once those are known."""
        one_member = {MembershipChange.BEGINS, MembershipChange.ROLE, MembershipChange.ENDS}
        if cls.membership in one_member and "user" not in cls.model_fields:
            raise TypeError(f"{cls.kind} changes a membership and has no field `user`")
        if cls.membership and not (cls.durable and cls.audience is Audience.ROOM):
            raise TypeError(f"{cls.kind} changes a membership and is not a durable event of a room")
        cls.model_validate(cls.example)
