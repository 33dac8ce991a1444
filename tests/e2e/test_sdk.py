"""The Python SDK: a message is changed and read in its present state."""

import asyncio
import secrets

import pytest

from madang_client import Account, Event, Forbidden, Login, Message, MessageDeleted, NotFound
from tests.e2e.people import PASSWORD
from tests.e2e.product import Product

_UNKNOWN = "000000000001"


async def entered(account: Account, name: str) -> Login:
    username = f"{name}-{secrets.token_hex(4)}"
    await account.register(username, PASSWORD)
    return await account.login(username, PASSWORD)


async def stored(login: Login, room: str, event: str) -> dict[str, Message]:
    """Return the messages of `room` when history has stored `event`."""
    newest = await login.history(room, limit=1)
    while not newest.items or newest.items[-1].id < event:
        await asyncio.sleep(0.05)
        newest = await login.history(room, limit=1)
    return {message.id: message for message in (await login.messages(room)).items}


@pytest.mark.timeout(60)
async def test_messages_are_changed_and_read_with_the_sdk(product: Product) -> None:
    async with Account(product.url) as account:
        minji, junho = await entered(account, "minji"), await entered(account, "junho")
        room = (await minji.create_room("마당", public=True)).id
        await junho.join(room)
        async with minji.chat() as hers, junho.chat() as his:
            events = await his.subscribe(room)
            root = await hers.send(room, "lunch?", type="poll", meta={"options": ["김밥"]})
            answer = await his.reply(room, root, "yes")
            in_thread = await his.send(room, "when?", thread=root)
            made = [
                await hers.edit(room, root, "lunch at noon?", meta={"options": ["pho"]}),
                await his.react(room, root, "👍"),
                await his.react(room, root, "🎉"),
                await his.unreact(room, root, "🎉"),
                await hers.pin(room, root),
                await hers.pin(room, answer),
                await hers.unpin(room, answer),
                await hers.delete(room, in_thread, reason="a test"),
            ]
            # Until his gateway has read the deletion from the log, it accepts an edit.
            heard = [await anext(events) for _ in range(3 + len(made))]
            with pytest.raises(MessageDeleted):
                await his.edit(room, in_thread, "too late")
            with pytest.raises(Forbidden):
                await his.edit(room, root, "not mine")
            with pytest.raises(NotFound):
                await hers.react(room, _UNKNOWN, "👍")

            found = await stored(minji, room, made[-1])
            alone = await junho.message(room, root)

    assert [event.id for event in heard if isinstance(event, Event)] == [
        root,
        answer,
        in_thread,
        *made,
    ]
    assert (alone.text, alone.type, alone.meta) == ("lunch at noon?", "poll", {"options": ["pho"]})
    assert [(each.emoji, each.mine) for each in alone.reactions] == [("👍", True)]
    assert (alone.pinned_by, found[answer].pinned_by) == (minji.user, None)
    assert (found[answer].reply_to, found[in_thread].thread) == (root, root)
    assert (found[in_thread].deleted, found[in_thread].text) == (True, "")
    assert (found[in_thread].deleted_by, found[in_thread].reason) == (minji.user, "a test")
