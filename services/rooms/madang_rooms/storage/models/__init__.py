"""The tables; importing this package registers them on `Base.metadata`."""

from madang_rooms.storage.models.ban import Ban
from madang_rooms.storage.models.base import Base
from madang_rooms.storage.models.block import Block
from madang_rooms.storage.models.invite import Invite
from madang_rooms.storage.models.membership import Membership
from madang_rooms.storage.models.outbox import OutboxRow
from madang_rooms.storage.models.removal import Removal
from madang_rooms.storage.models.room import Room
from madang_rooms.storage.models.user import User

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
