from datetime import UTC, datetime

import orjson
import pytest

from libs.client.tests.fakes.chats import MakeChat
from libs.client.tests.fakes.stomp_server import StompServer
from madang_client import Event
from madang_client.cli.message_changes import MessageChanges
from madang_client.cli.transcript import Transcript

TODAY = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


def say(transcript: Transcript, event_id: str) -> None:
    at = "2026-01-02T03:04:05.678Z"
    event = Event(event_id, "k", "message.created", "id-ada", "Ada", at, {"text": "hello"})
    transcript.line(event, TODAY)


@pytest.mark.parametrize("line", ["/edit hi", "/delete", "/react 👍", "/react 👍 1"])
async def test_a_change_stays_about_the_message_that_it_was_typed_for(
    stomp: StompServer, make_chat: MakeChat, line: str
) -> None:
    transcript = Transcript()
    changes = MessageChanges("yard", "id-ada", transcript)
    say(transcript, "1")
    change = changes.read(line)

    say(transcript, "2")
    async with make_chat() as chat:
        await change(chat)
        await changes.read(line)(chat)

    assert [orjson.loads(frame.body)["message"] for frame in stomp.sends] == ["1", "2"]


@pytest.mark.parametrize(
    ("line", "is_included"),
    [("/edit a", True), ("/delete", True), ("/edits", False), ("edit", False), ("//edit", False)],
)
def test_only_whole_names_are_commands(line: str, *, is_included: bool) -> None:
    assert MessageChanges("yard", "id-ada", Transcript()).includes(line) is is_included
