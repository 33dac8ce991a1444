"""Madang client: an async SDK that reconnects and resumes, and the `madang` command."""

from madang_client.account import Account
from madang_client.chat import Change, Chat, Connected, Lost
from madang_client.errors import (
    Banned,
    Closed,
    Conflict,
    ConnectionLost,
    Disconnected,
    Forbidden,
    Gone,
    Invalid,
    KeyConflict,
    LoggedOut,
    MadangError,
    MessageDeleted,
    NotAMember,
    NotFound,
    NotReachable,
    OutOfOrder,
    ProtocolError,
    Refused,
    TooLarge,
    TooManyReactions,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from madang_client.event import Event, Gap
from madang_client.login import Login
from madang_client.message import Message, Reaction
from madang_client.page import Page
from madang_client.room import Ban, Block, Invite, Member, Person, ReceivedInvite, Room, User
from madang_client.settings import ChatSettings
from madang_client.subscription import Subscription
from madang_client.token_store import MemoryStore, TokenStore
from madang_client.tokens import Tokens

__all__ = [
    "Account",
    "Ban",
    "Banned",
    "Block",
    "Change",
    "Chat",
    "ChatSettings",
    "Closed",
    "Conflict",
    "Connected",
    "ConnectionLost",
    "Disconnected",
    "Event",
    "Forbidden",
    "Gap",
    "Gone",
    "Invalid",
    "Invite",
    "KeyConflict",
    "LoggedOut",
    "Login",
    "Lost",
    "MadangError",
    "Member",
    "MemoryStore",
    "Message",
    "MessageDeleted",
    "NotAMember",
    "NotFound",
    "NotReachable",
    "OutOfOrder",
    "Page",
    "Person",
    "ProtocolError",
    "Reaction",
    "ReceivedInvite",
    "Refused",
    "Room",
    "Subscription",
    "TokenStore",
    "Tokens",
    "TooLarge",
    "TooManyReactions",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "User",
]
