"""Read markers: how far the user of a session has read each room, moved by ACKs."""

from collections.abc import Mapping


class ReadMarkers:
    """Decides when markers are published: a first move at once, others at most once per tick."""

    __slots__ = ("_moved", "_positions", "_quiet")

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}
        self._quiet: set[str] = set()
        """Rooms published since the last tick."""
        self._moved: dict[str, int] = {}
        """Positions to publish at the next tick."""

    def move(self, room: str, position: int) -> bool:
        """Move the marker of `room`, forward only; return whether to publish it now."""
        if position <= self._positions.get(room, -1):
            return False
        self._positions[room] = position
        if room in self._quiet:
            self._moved[room] = position
            return False
        self._quiet.add(room)
        return True

    def tick(self) -> Mapping[str, int]:
        """Return the rooms and positions to publish now: those moved since the last tick."""
        moved, self._moved = self._moved, {}
        self._quiet = set(moved)
        return moved

    def leave(self, room: str) -> None:
        """Drop `room`; the user may not publish there any more."""
        self._positions.pop(room, None)
        self._moved.pop(room, None)
