import itertools

import pytest

from madang_common.events.kinds import Role
from madang_rooms.services.roles import (
    PERMISSIONS,
    Action,
    may,
    may_change,
    may_remove,
    may_step_down,
)

MEMBER, MODERATOR, OWNER = Role.MEMBER, Role.MODERATOR, Role.OWNER
PAIRS = list(itertools.product(Role, Role))


def test_every_role_has_permissions() -> None:
    assert set(PERMISSIONS) == set(Role)


@pytest.mark.parametrize(
    ("action", "roles"),
    [
        (Action.INVITE, {MODERATOR, OWNER}),
        (Action.RENAME, {MODERATOR, OWNER}),
        (Action.ARCHIVE, {OWNER}),
        (Action.BAN, {MODERATOR, OWNER}),
    ],
)
def test_each_action_is_permitted_to_these_roles(action: Action, roles: set[Role]) -> None:
    assert {role for role in Role if may(role, action)} == roles


def test_a_role_removes_only_lower_roles() -> None:
    allowed = {(role, target) for role, target in PAIRS if may_remove(role, target)}

    assert allowed == {(OWNER, MODERATOR), (OWNER, MEMBER), (MODERATOR, MEMBER)}


def test_only_owners_change_roles_and_not_those_of_owners() -> None:
    allowed = {
        (role, target)
        for (role, target), to in itertools.product(PAIRS, Role)
        if may_change(role, target, to)
    }

    assert allowed == {(OWNER, MODERATOR), (OWNER, MEMBER)}
    assert all(may_change(OWNER, target, to) for target in (MODERATOR, MEMBER) for to in Role)


def test_a_member_lowers_but_never_raises_their_own_role() -> None:
    allowed = {(role, to) for role, to in PAIRS if may_step_down(role, to)}

    assert allowed == {(OWNER, MODERATOR), (OWNER, MEMBER), (MODERATOR, MEMBER)}


def test_a_higher_role_has_every_permission_of_a_lower_one() -> None:
    for lower, higher in itertools.pairwise(Role):
        assert PERMISSIONS[lower].actions <= PERMISSIONS[higher].actions
        assert PERMISSIONS[lower].removes <= PERMISSIONS[higher].removes
