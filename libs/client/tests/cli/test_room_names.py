"""A room is found by what people call it."""

from collections.abc import AsyncIterator, Mapping

from madang_client.cli.room_names import _named
from madang_client.room import Room, read_room


async def _rooms(*documents: Mapping[str, object]) -> AsyncIterator[Room]:
    for document in documents:
        yield read_room(document)


async def test_a_direct_room_is_found_by_the_others_username() -> None:
    peer = {"id": "u1", "username": "minji", "display_name": "민지"}
    direct = {"id": "r1", "name": "민지, 준호", "visibility": "direct", "peer": peer}
    other = {"id": "r2", "name": "yard", "visibility": "private", "peer": None}

    found = await _named(_rooms(other, direct), "minji")

    assert found is not None
    assert (found.id, found.peer and found.peer.username) == ("r1", "minji")
    assert await _named(_rooms(other), "minji") is None
