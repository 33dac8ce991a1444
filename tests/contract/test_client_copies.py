"""The client library is installed without the services; its copies of their facts must agree."""

from madang_client.chat import ROOM_ID as CLIENT_ROOM_ID
from madang_client.connection import SUBPROTOCOL
from madang_client.sequence import EVENT_ID as CLIENT_EVENT_ID
from madang_common.ids import ROOM_ID
from madang_common.log.position import ID_PATTERN
from madang_gateway.protocol.stomp.negotiation import SUBPROTOCOLS, VERSIONS


def test_room_ids_match_the_same_pattern() -> None:
    assert CLIENT_ROOM_ID.pattern == ROOM_ID


def test_event_ids_match_the_same_pattern() -> None:
    assert CLIENT_EVENT_ID.pattern == ID_PATTERN


def test_the_client_asks_for_the_newest_version_of_stomp() -> None:
    assert SUBPROTOCOLS[SUBPROTOCOL] == VERSIONS[0]
