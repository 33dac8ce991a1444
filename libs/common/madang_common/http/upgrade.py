"""The protocol of a connection after its upgrade to WebSocket."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from uvicorn.server import ServerState


class Upgraded(asyncio.Protocol, ABC):
    """Base of the class in uvicorn's `ws=`, which takes over after an upgrade request."""

    __slots__ = ()

    @abstractmethod
    def __init__(self, server_state: ServerState) -> None:
        """Take uvicorn's state, which counts open connections and tasks."""

    @abstractmethod
    def open(
        self, method: str, target: str, version: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Answer the upgrade request; called once, after `connection_made`.

        `version` is as in `HTTP/1.1`; header names are in lower case.
        """
