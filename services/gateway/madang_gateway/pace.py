"""How fast one connection's frames are taken, whatever they are."""


class Pace:
    """An allowance of frames that fills with time; without one, reading rests until the next tick.

    Counting costs one subtraction per frame, and no clock.
    """

    __slots__ = ("_burst", "_per_second", "left")

    def __init__(self, per_second: float, burst: int) -> None:
        """Allow `burst` frames at once, and `per_second` in the long run."""
        self._per_second = per_second
        self._burst = float(burst)
        self.left = self._burst
        """Frames that may still come; below one, none may."""

    @property
    def rests(self) -> bool:
        """Whether no frame may be taken now."""
        return self.left < 1

    def tick(self, seconds: float) -> bool:
        """Fill up, `seconds` after the last time; tell whether a rest is over."""
        rested = self.rests
        self.left = min(self._burst, self.left + seconds * self._per_second)
        return rested and not self.rests
