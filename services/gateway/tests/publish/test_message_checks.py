"""The checks of a message's content and of the messages that a send names."""

from typing import Any

import pytest

from madang_common.log.port import Batch
from madang_common.log.position import to_id
from madang_common.problems import DeletedMessage, Forbidden, InvalidBody, NotFound
from madang_common.tokens.claims import Claims
from madang_gateway.messages.rules import Rules
from madang_gateway.protocol.destinations import Action
from madang_gateway.publish.command import ACTION_EVENTS, SendCommand
from madang_gateway.publish.interceptors import Interceptor
from madang_gateway.publish.message_checks import ChangeAllowed, Content
from services.gateway.tests.event_pipeline import EventPipeline, FakeHistory
from services.gateway.tests.harness import message

MINA, JUN = (
    Claims(subject=name, session="s", username=name, name=name.title(), expires_at=2_000_000_000)
    for name in ("mina", "jun")
)
NOWHERE = to_id(5)


def command(action: Action = Action.MESSAGE, body: bytes = b"{}", **data: Any) -> SendCommand:
    return SendCommand(action, "yard", ACTION_EVENTS[action].kind, data, len(body), body=body)


async def passed(check: Interceptor, wanted: SendCommand, claims: Claims = MINA) -> bool:
    """Return whether `check` had to wait; raise what it raises."""
    pending = check(claims, wanted)
    if pending is None:
        return False
    await pending
    return True


async def test_a_reply_in_a_thread_goes_to_its_root() -> None:
    core = EventPipeline()
    check = Content(core.messages())
    (root,) = core.apply(message("root"))
    (reply,) = core.apply(message(data={"text": "reply", "thread": to_id(root)}))

    for named in (root, reply):
        sent = command(text="hi", thread=to_id(named), reply_to=to_id(reply))
        assert not await passed(check, sent)
        assert sent.data == {"text": "hi", "thread": to_id(root), "reply_to": to_id(reply)}


async def test_a_deleted_message_can_still_be_replied_to() -> None:
    core = EventPipeline()
    check = Content(core.messages())
    (root,) = core.apply(message("root"))
    (reply,) = core.apply(message(data={"text": "reply", "thread": to_id(root)}))
    core.apply(message(kind="message.deleted", data={"message": to_id(reply)}))

    sent = command(text="hi", thread=to_id(reply))
    await passed(check, sent)

    assert sent.data["thread"] == to_id(root)


@pytest.mark.parametrize("field", ["thread", "reply_to"])
@pytest.mark.parametrize("room", ["yard", "well"])
async def test_messages_of_other_rooms_cannot_be_replied_to(field: str, room: str) -> None:
    core = EventPipeline()
    (first,) = core.apply(message("hi", room="well"))
    core.apply(*(message("more") for _ in range(9)))
    data: dict[str, Any] = {field: to_id(first) if room == "well" else NOWHERE}
    sent = command(text="hi", **data)

    with pytest.raises(NotFound):
        await passed(Content(core.messages()), sent)


async def test_an_older_message_that_is_replied_to_comes_from_history() -> None:
    core, history = EventPipeline(tail_bytes=300), FakeHistory()
    root_event = message("root")
    (root,) = core.apply(root_event)
    core.apply(message("x" * 300))
    history.store(Batch(0, (root_event.line(),)))
    history.next = core.offset
    sent = command(text="hi", thread=to_id(root))

    assert await passed(Content(core.messages(history)), sent)
    assert sent.data["thread"] == to_id(root)


async def test_meta_is_checked_in_messages_and_edits() -> None:
    core = EventPipeline()
    check = Content(core.messages())
    repeated = b'{"meta":{"a":1,"a":2}}'

    await passed(check, command(body=b'{"meta":{"a":2}}', text="hi", meta={"a": 2}))
    for action in (Action.MESSAGE, Action.EDIT):
        with pytest.raises(InvalidBody, match="repeated"):
            await passed(check, command(action, repeated, text="hi", meta={"a": 2}))


async def test_a_change_needs_its_message_and_the_users_role() -> None:
    core = EventPipeline()
    check = ChangeAllowed(core.messages(), core.memberships, Rules(0), lambda: 0.0)
    (first,) = core.apply(message("hi", sender="mina"))
    edit = command(Action.EDIT, message=to_id(first), text="ho")

    assert await passed(check, edit)  # the membership was not cached
    assert not await passed(check, edit)
    with pytest.raises(Forbidden):
        await passed(check, edit, JUN)
    with pytest.raises(NotFound):
        await passed(check, command(Action.EDIT, message=to_id(first + 1), text="ho"))


@pytest.mark.parametrize(
    ("action", "data"),
    [
        (Action.EDIT, {"text": "ho"}),
        (Action.DELETE, {}),
        (Action.REACT, {"emoji": "👍"}),
        (Action.UNREACT, {"emoji": "👍"}),
        (Action.PIN, {}),
        (Action.UNPIN, {}),
    ],
)
async def test_every_change_of_a_deleted_message_is_refused(
    action: Action, data: dict[str, Any]
) -> None:
    core = EventPipeline()
    check = ChangeAllowed(core.messages(), core.memberships, Rules(0), lambda: 0.0)
    (first,) = core.apply(message("hi"))
    core.apply(message(kind="message.deleted", data={"message": to_id(first)}))

    with pytest.raises(DeletedMessage):
        await passed(check, command(action, message=to_id(first), **data))
