from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from madang_common.events import kinds, message_kinds
from madang_common.events.data import Audience, Data, MembershipChange
from madang_common.events.envelope import Event, read_line
from madang_common.events.fields import Id
from madang_common.events.kinds import (
    AWAITING_LOG,
    DURABLE,
    KINDS,
    LIVE,
    MEMBERSHIP_CHANGES,
    REQUIRING_MEMBERSHIP,
    document,
)

each_kind = pytest.mark.parametrize("model", KINDS.values(), ids=KINDS)


def test_each_class_has_a_kind_of_its_own() -> None:
    modules = (kinds, message_kinds)
    classes = {
        model for module in modules for model in vars(module).values() if isinstance(model, type)
    }
    declared = [model.kind for model in classes if issubclass(model, Data) and model is not Data]
    assert sorted(declared) == sorted(KINDS)
    assert DURABLE.keys() | LIVE.keys() == KINDS.keys()
    assert not DURABLE.keys() & LIVE.keys()


@each_kind
def test_the_example_comes_back_from_the_log(model: type[Data]) -> None:
    data = model.model_validate(model.example)
    in_room = Audience.ROOM in model.audience
    event = Event(
        key="k",
        kind=data.kind,
        sender="u2",
        sender_name="Bo",
        at="2026-01-01T00:00:00.000Z",
        data=document(data),
        room="r1" if in_room else None,
        user=None if in_room else "u1",
    )

    read = read_line(event.line())

    assert KINDS[read.kind] is model
    assert model.model_validate(read.data) == data
    assert orjson.loads(read.body(0))["data"] == model.example


@each_kind
def test_an_unknown_field_is_refused(model: type[Data]) -> None:
    with pytest.raises(ValidationError, match="password"):
        model.model_validate({**model.example, "password": "secret"})


@each_kind
def test_a_required_field_that_is_missing_is_refused(model: type[Data]) -> None:
    for name, field in model.model_fields.items():
        if field.is_required():
            rest = {key: value for key, value in model.example.items() if key != name}
            with pytest.raises(ValidationError, match=name):
                model.model_validate(rest)


def test_a_removal_from_a_room_awaits_the_log() -> None:
    ends = {kind for kind, how in MEMBERSHIP_CHANGES.items() if how is MembershipChange.ENDS}

    assert ends == AWAITING_LOG == {"member.left", "member.removed", "member.banned"}


def test_kinds_that_change_memberships_and_kinds_that_require_one_are_durable() -> None:
    assert MEMBERSHIP_CHANGES.keys() <= DURABLE.keys()
    assert DURABLE.keys() >= REQUIRING_MEMBERSHIP


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ({"audience": Audience.USER}, "not a durable event of a room"),
        ({"durable": False}, "not a durable event of a room"),
    ],
)
def test_a_change_of_a_membership_that_readers_would_miss_is_refused(
    facts: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):

        class Lost(
            Data,
            kind="member.lost",
            membership=MembershipChange.ENDS,
            example={"user": "u"},
            **facts,
        ):
            user: Id


def test_a_change_of_a_membership_needs_a_user() -> None:
    with pytest.raises(TypeError, match="no field `user`"):

        class Lost(Data, kind="member.lost", membership=MembershipChange.ENDS, example={}):
            pass


def test_an_example_must_fit_its_fields() -> None:
    with pytest.raises(ValidationError, match="user"):

        class Lost(Data, kind="member.lost", example={}):
            user: Id
