"""The product as the tests see it: from outside, by its addresses, whatever form it runs in."""

from typing import Protocol


class Product(Protocol):
    """A running Madang that can be killed and started again on the same data and address."""

    @property
    def url(self) -> str:
        """Where its REST interfaces and its page are."""
        ...

    @property
    def ws_url(self) -> str:
        """Where its WebSocket is."""
        ...

    def kill(self) -> None:
        """End every process of ours with SIGKILL, as a crash would."""
        ...

    def launch(self, **settings: str) -> None:
        """Start what was killed, with those `MADANG_…` settings, and return when it is ready."""
        ...

    def restart(self) -> None:
        """Kill it and start it again."""
        ...

    def pause(self) -> None:
        """Freeze every process of ours: nothing is closed, nothing answers."""
        ...

    def resume(self) -> None:
        """Let them go on."""
        ...

    def operate(self, *arguments: str) -> str:
        """Run an operator's command and return what it says; raise CommandError if that fails."""
        ...

    def metric(self, name: str) -> float:
        """Return what its gateways tell under `name`, all labels and gateways together."""
        ...

    def errors(self) -> list[str]:
        """Return the lines that its processes logged at level error."""
        ...
