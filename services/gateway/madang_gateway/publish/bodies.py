"""What clients send: the bodies of SEND frames and of REST requests.

The fields that the gateway itself sets, such as `mentions`, are not among them.
"""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from madang_common.events.fields import EventId
from madang_common.events.message_kinds import MessageType
from madang_common.http.bodies import Body
from madang_gateway.publish.emoji import fully_qualified
from madang_gateway.publish.meta import within_size

_MESSAGE = "000000000800"


def _example(body: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [body]})


Text = Annotated[str, Field(min_length=1)]
Emoji = Annotated[str, Field(max_length=64), AfterValidator(fully_qualified)]
"""One emoji, brought to its fully-qualified form."""
Meta = Annotated[dict[str, Any], AfterValidator(within_size)]
Reason = Annotated[str, Field(min_length=1, max_length=256)]


class NewMessage(Body):
    """A message to send."""

    model_config = _example({"text": "안녕하세요, everyone 👋"})

    text: Text
    """Plain text."""
    type: MessageType | None = None
    """What the message is to your application; `text` if not given."""
    meta: Meta | None = None
    """Your application's own data: at most 8 KiB as JSON and 16 levels."""
    reply_to: EventId | None = None
    """Id of the message of the room that this one answers."""
    thread: EventId | None = None
    """Id of the message whose thread this one belongs to; of a reply in a thread, the same."""


class Edit(Body):
    """A change of a message's content; what is not given stays as it is."""

    model_config = _example({"text": "안녕하세요, everybody 👋"})

    text: Text | None = None
    meta: Meta | None = None
    """Replaces the whole of `meta`."""

    @model_validator(mode="after")
    def _check_content(self) -> Self:
        if self.text is None and self.meta is None:
            raise ValueError("give text, meta or both.")
        return self


class _ToMessage(Body):
    message: EventId
    """The message's id."""


class EditMessage(_ToMessage, Edit):
    """A change of one of your messages; what is not given stays as it is."""

    model_config = _example({"message": _MESSAGE, "text": "안녕하세요, everybody 👋"})


class DeleteMessage(_ToMessage):
    """A message to delete: its content is gone for good."""

    model_config = _example({"message": _MESSAGE, "reason": "sent to the wrong room"})

    reason: Reason | None = None


class Reaction(_ToMessage):
    """Your reaction to a message."""

    model_config = _example({"message": _MESSAGE, "emoji": "👍"})

    emoji: Emoji


class Pin(_ToMessage):
    """A message to pin to the room, or to unpin."""

    model_config = _example({"message": _MESSAGE})


def content(body: BaseModel) -> dict[str, Any]:
    """Return the fields of `body` that are given, in the order of the model."""
    return {name: value for name, value in body.__dict__.items() if value is not None}
