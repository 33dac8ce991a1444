"""Permissions of the roles in a room: one table, and the functions that read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from madang_common.events.kinds import Role


class Action(StrEnum):
    """Actions that a role permits regardless of other members' roles."""

    INVITE = "invite"
    RENAME = "rename"
    ARCHIVE = "archive"
    BAN = "ban"


@dataclass(frozen=True, slots=True)
class Permissions:
    """The permissions of a role."""

    actions: frozenset[Action] = frozenset()
    removes: frozenset[Role] = frozenset()
    """Roles whose members it may remove or ban."""
    changes: frozenset[Role] = frozenset()
    """Roles whose members it may give another role."""
    grants: frozenset[Role] = frozenset()
    """Roles that it may give."""


PERMISSIONS: Mapping[Role, Permissions] = {
    Role.MEMBER: Permissions(),
    Role.MODERATOR: Permissions(
        actions=frozenset({Action.INVITE, Action.RENAME, Action.BAN}),
        removes=frozenset({Role.MEMBER}),
    ),
    Role.OWNER: Permissions(
        actions=frozenset({Action.INVITE, Action.RENAME, Action.ARCHIVE, Action.BAN}),
        removes=frozenset({Role.MEMBER, Role.MODERATOR}),
        changes=frozenset({Role.MEMBER, Role.MODERATOR}),
        grants=frozenset({Role.MEMBER, Role.MODERATOR, Role.OWNER}),
    ),
}
_RANK = {role: rank for rank, role in enumerate(Role)}


def may(role: Role, action: Action) -> bool:
    """Return whether `role` permits `action`."""
    return action in PERMISSIONS[role].actions


def may_remove(role: Role, target: Role) -> bool:
    """Return whether `role` may remove another member with the role `target`."""
    return target in PERMISSIONS[role].removes


def may_change(role: Role, target: Role, to: Role) -> bool:
    """Return whether `role` may change another member from `target` to `to`."""
    return target in PERMISSIONS[role].changes and to in PERMISSIONS[role].grants


def may_step_down(role: Role, to: Role) -> bool:
    """Return whether a member may change their own `role` to `to`: only to a lower one."""
    return _RANK[to] < _RANK[role]
