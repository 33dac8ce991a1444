"""Who may change a message."""

from typing import Any

import pytest

from madang_common.events.kinds import Role
from madang_common.log.position import to_id
from madang_common.problems import DeletedMessage, Forbidden, Problem, TooManyReactions
from madang_fold import MAX_EMOJI, MAX_REACTIONS, Message
from madang_gateway.messages.rules import CHANGES, Change, Rules

SENT = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""


def sent(**changes: Any) -> Message:
    state = Message(to_id(0), to_id(0), "mina", "Mina", "2026-01-01T00:00:00.000Z")
    return state._replace(**changes)


def change(kind: str, user: str = "mina", role: Role = Role.MEMBER, after: float = 0) -> Change:
    return Change(kind, {"message": to_id(0), "emoji": "👍"}, user, role, SENT + after)


def is_allowed(wanted: Change, message: Message, edit_seconds: float = 0) -> bool:
    try:
        Rules(edit_seconds).check(wanted, message)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "author", "member", "moderator"),
    [
        ("message.edited", True, False, False),
        ("message.deleted", True, False, True),
        ("message.pinned", False, False, True),
        ("message.unpinned", False, False, True),
        ("reaction.added", True, True, True),
        ("reaction.removed", True, True, True),
    ],
)
def test_who_may_change_a_message(
    kind: str, *, author: bool, member: bool, moderator: bool
) -> None:
    assert is_allowed(change(kind), sent()) is author
    assert is_allowed(change(kind, "jun"), sent()) is member
    for role in (Role.MODERATOR, Role.OWNER):
        assert is_allowed(change(kind, "jun", role), sent()) is moderator


@pytest.mark.parametrize("kind", sorted(CHANGES))
def test_nothing_changes_a_deleted_message(kind: str) -> None:
    deleted = sent(deleted_at="2026-01-01T00:00:01.000Z", deleted_by="mina")

    with pytest.raises(DeletedMessage):
        Rules(0).check(change(kind, role=Role.OWNER), deleted)


@pytest.mark.parametrize("kind", ["message.edited", "message.deleted"])
def test_an_author_changes_a_message_up_to_its_age_limit(kind: str) -> None:
    assert is_allowed(change(kind, after=60), sent(), 60)
    assert not is_allowed(change(kind, after=61), sent(), 60)
    assert is_allowed(change(kind, after=1e9), sent(), 0)


def test_the_age_limit_is_not_for_deletions_by_moderators() -> None:
    late = 100.0

    assert is_allowed(change("message.deleted", "jun", Role.MODERATOR, late), sent(), 60)
    assert is_allowed(change("message.deleted", "mina", Role.OWNER, late), sent(), 60)
    assert not is_allowed(change("message.edited", "mina", Role.OWNER, late), sent(), 60)


@pytest.mark.parametrize(
    ("reactions", "problem"),
    [
        ({str(n): ("jun",) for n in range(MAX_EMOJI - 1)}, None),
        ({str(n): ("jun",) for n in range(MAX_EMOJI)}, TooManyReactions),
        ({"👍": ("jun",)} | {str(n): ("jun",) for n in range(MAX_EMOJI - 1)}, None),
        ({"👎": tuple(map(str, range(MAX_REACTIONS - 1)))}, None),
        ({"👍": tuple(map(str, range(MAX_REACTIONS)))}, TooManyReactions),
        ({"👍": ("mina", *map(str, range(MAX_REACTIONS - 1)))}, None),
    ],
)
def test_reactions_are_bounded(
    reactions: dict[str, tuple[str, ...]], problem: type[Problem] | None
) -> None:
    check = Rules(0).check

    check(change("reaction.removed"), sent(reactions=reactions))
    if problem is None:
        check(change("reaction.added"), sent(reactions=reactions))
    else:
        with pytest.raises(problem):
            check(change("reaction.added"), sent(reactions=reactions))
