"""STOMP frames as a server sent them, read with the SDK's parser."""

from dataclasses import dataclass
from typing import Any

import orjson

from madang_client.stomp import frame
from madang_client.stomp.parser import Limits, Parser


@dataclass(frozen=True)
class Frame(frame.Frame):
    """A frame from the server."""

    @property
    def json(self) -> Any:
        """The JSON document in the body."""
        return orjson.loads(self.body)

    @property
    def text(self) -> str:
        """The text of the message in a MESSAGE frame."""
        return str(self.json["data"]["text"])


def read_frames(data: bytes) -> list[Frame]:
    """Return the frames in `data`, without heartbeats; nothing may be left over."""
    parser = Parser(Limits())
    frames = [Frame(read.command, read.headers, read.body) for read in parser.feed(data)]
    assert [last.command for last in parser.feed(b"END\n\n\0")] == ["END"], "an incomplete frame"
    return frames
