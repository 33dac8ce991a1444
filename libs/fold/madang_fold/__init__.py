"""The state of messages, as a pure function of a room's events in the order of the log."""

from madang_fold.event import KINDS, RoomEvent
from madang_fold.folding import MAX_EMOJI, MAX_REACTIONS, changes, fold, targets
from madang_fold.json_form import from_json, to_json
from madang_fold.message import MAX_PARTICIPANTS, Message, ThreadSummary
from madang_fold.room import RoomMessages, fold_events

__all__ = [
    "KINDS",
    "MAX_EMOJI",
    "MAX_PARTICIPANTS",
    "MAX_REACTIONS",
    "Message",
    "RoomEvent",
    "RoomMessages",
    "ThreadSummary",
    "changes",
    "fold",
    "fold_events",
    "from_json",
    "targets",
    "to_json",
]
