"""How far a user has read, told to others as the user's ACKs move it."""

from collections.abc import Callable


class ReadMarkers:
    """Tells of each room at once, then again no more than once per tick."""

    __slots__ = ("_moved", "_publish", "_quiet", "_told")

    def __init__(self, publish: Callable[[str, int], object]) -> None:
        """Tell `publish` a room and the position up to which it was read."""
        self._publish = publish
        self._told: dict[str, int] = {}
        self._quiet: set[str] = set()
        """Rooms that were told of since the last tick."""
        self._moved: dict[str, int] = {}
        """Positions that are still to be told."""

    def move(self, room: str, position: int) -> None:
        """Move the marker of `room`, forward only."""
        if position <= self._told.get(room, -1):
            return
        self._told[room] = position
        if room in self._quiet:
            self._moved[room] = position
        else:
            self._quiet.add(room)
            self._publish(room, position)

    def tick(self) -> None:
        """Tell what moved since the last tick."""
        moved, self._moved = self._moved, {}
        self._quiet = set(moved)
        for room, position in moved.items():
            self._publish(room, position)

    def leave(self, room: str) -> None:
        """Forget `room`, to which the user may say nothing more."""
        self._told.pop(room, None)
        self._moved.pop(room, None)
