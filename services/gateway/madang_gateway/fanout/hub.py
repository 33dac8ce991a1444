"""The roster of this gateway: which subscriptions follow which audience."""

from collections.abc import Hashable, ItemsView, KeysView
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
"""What the subscriptions of a group have in common: they receive the same bytes."""
R = TypeVar("R")
"""A recipient, told apart by identity."""


class Hub(Generic[S, R]):
    """Recipients by audience and shape, in the order in which they came."""

    def __init__(self) -> None:
        self._audiences: dict[str, dict[S, dict[R, None]]] = {}

    def add(self, audience: str, shape: S, recipient: R) -> None:
        """Let `recipient` receive what is for `audience`, in that shape."""
        self._audiences.setdefault(audience, {}).setdefault(shape, {})[recipient] = None

    def remove(self, audience: str, shape: S, recipient: R) -> None:
        """Undo `add`; unknown ones are no matter."""
        shapes = self._audiences.get(audience)
        if shapes is None or recipient not in shapes.get(shape, ()):
            return
        del shapes[shape][recipient]
        if not shapes[shape]:
            del shapes[shape]
            if not shapes:
                del self._audiences[audience]

    def groups(self, audience: str) -> ItemsView[S, dict[R, None]]:
        """Return the recipients of `audience` by shape."""
        return self._audiences.get(audience, {}).items()

    @property
    def audiences(self) -> KeysView[str]:
        """The audiences that somebody here follows, always as they are now."""
        return self._audiences.keys()

    def __len__(self) -> int:
        """Return how many audiences somebody here follows."""
        return len(self._audiences)
