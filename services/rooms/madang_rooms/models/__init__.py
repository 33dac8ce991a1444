"""The tables. Importing this package registers all of them on `Base.metadata`."""

from madang_rooms.models.ban import Ban
from madang_rooms.models.base import Base
from madang_rooms.models.block import Block
from madang_rooms.models.invite import Invite
from madang_rooms.models.membership import Membership
from madang_rooms.models.outbox import OutboxRow
from madang_rooms.models.removal import Removal
from madang_rooms.models.room import Room
from madang_rooms.models.user import User

__all__ = [
    "Ban",
    "Base",
    "Block",
    "Invite",
    "Membership",
    "OutboxRow",
    "Removal",
    "Room",
    "User",
]
