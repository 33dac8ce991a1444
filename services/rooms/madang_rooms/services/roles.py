"""Who may do what in a room: one table, and the questions that are asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from madang_common.events.kinds import Role


class Action(StrEnum):
    """What a role allows, whoever else it concerns."""

    INVITE = "invite"
    RENAME = "rename"
    ARCHIVE = "archive"
    BAN = "ban"


@dataclass(frozen=True, slots=True)
class Powers:
    """What one role may do."""

    actions: frozenset[Action] = frozenset()
    removes: frozenset[Role] = frozenset()
    """Roles whose members it may remove, or ban."""
    changes: frozenset[Role] = frozenset()
    """Roles whose members it may give another role."""
    grants: frozenset[Role] = frozenset()
    """Roles that it may give them."""


POWERS: Mapping[Role, Powers] = {
    Role.MEMBER: Powers(),
    Role.MODERATOR: Powers(
        actions=frozenset({Action.INVITE, Action.RENAME, Action.BAN}),
        removes=frozenset({Role.MEMBER}),
    ),
    Role.OWNER: Powers(
        actions=frozenset({Action.INVITE, Action.RENAME, Action.ARCHIVE, Action.BAN}),
        removes=frozenset({Role.MEMBER, Role.MODERATOR}),
        changes=frozenset({Role.MEMBER, Role.MODERATOR}),
        grants=frozenset({Role.MEMBER, Role.MODERATOR, Role.OWNER}),
    ),
}
_RANK = {role: rank for rank, role in enumerate(Role)}


def may(role: Role, action: Action) -> bool:
    """Return whether `role` may do `action`."""
    return action in POWERS[role].actions


def may_remove(role: Role, target: Role) -> bool:
    """Return whether `role` may remove another member who is `target`."""
    return target in POWERS[role].removes


def may_change(role: Role, target: Role, to: Role) -> bool:
    """Return whether `role` may make another member, who is `target`, a `to`."""
    return target in POWERS[role].changes and to in POWERS[role].grants


def may_step_down(role: Role, to: Role) -> bool:
    """Return whether a member who is `role` may make themselves a `to`: anything that is less."""
    return _RANK[to] < _RANK[role]
