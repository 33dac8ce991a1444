"""The product from outside, by its addresses, in either form."""

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
        """Start the killed processes with these `MADANG_…` settings; return when ready."""
        ...

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.launch()

    def pause(self) -> None:
        """Freeze every process of ours: nothing is closed, nothing answers."""
        ...

    def resume(self) -> None:
        """Let them go on."""
        ...

    def operate(self, *arguments: str) -> str:
        """Run an operator's command and return its output; raise CommandError if it fails."""
        ...

    def metric(self, name: str) -> float:
        """Return the metric `name`, summed over all labels and gateways."""
        ...

    def errors(self) -> list[str]:
        """Return the lines that its processes logged at level error."""
        ...
