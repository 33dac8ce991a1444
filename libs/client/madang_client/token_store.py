"""Where a login's tokens are kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from madang_client.tokens import Tokens


class TokenStore(Protocol):
    """Keeps one pair of tokens, maybe for several processes."""

    def load(self) -> Tokens | None:
        """Return the tokens, or None after a logout."""
        ...

    def save(self, tokens: Tokens | None) -> None:
        """Put `tokens` in the place of what is there; None forgets them."""
        ...

    def exclusive(self) -> AbstractAsyncContextManager[None]:
        """Keep everyone else from renewing meanwhile: a refresh token can be used only once."""
        ...


class MemoryStore:
    """Keeps them as long as the process lives."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens
        self._lock = asyncio.Lock()

    def load(self) -> Tokens | None:
        """Return the tokens."""
        return self._tokens

    def save(self, tokens: Tokens | None) -> None:
        """Replace the tokens."""
        self._tokens = tokens

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold a lock."""
        async with self._lock:
            yield
