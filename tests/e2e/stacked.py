"""The production form: two replicas of every service behind nginx with TLS."""

from dataclasses import dataclass

from typing_extensions import override

from stack.stack import Stack
from tests.e2e.product import Product


@dataclass
class Stacked(Product):
    """The stack as a product: its services are killed and started, its servers stay."""

    stack: Stack

    @property
    @override
    def url(self) -> str:
        return self.stack.url

    @property
    @override
    def ws_url(self) -> str:
        return self.stack.ws_url

    @override
    def kill(self) -> None:
        for service in self.stack.services:
            service.kill()

    @override
    def launch(self, **settings: str) -> None:
        self.stack.up(settings={**self.stack.settings, **settings})

    @override
    def pause(self) -> None:
        for service in self.stack.services:
            service.pause()

    @override
    def resume(self) -> None:
        for service in self.stack.services:
            service.resume()

    @override
    def operate(self, *arguments: str) -> str:
        return self.stack.command("auth", *arguments)

    @override
    def metric(self, name: str) -> float:
        return sum(gateway.metric(name) for gateway in self.stack.gateways)

    @override
    def errors(self) -> list[str]:
        return [line for lines in self.stack.errors().values() for line in lines]
