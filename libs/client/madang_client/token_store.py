"""Storage of a login's tokens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from madang_client.tokens import Tokens


class TokenStore(Protocol):
    """Stores one pair of tokens, which several processes may share."""

    def load(self) -> Tokens | None:
        """Return the tokens, or None after a logout."""
        ...

    def save(self, tokens: Tokens | None) -> None:
        """Replace the stored tokens; None deletes them."""
        ...

    def exclusive(self) -> AbstractAsyncContextManager[None]:
        """Exclude other renewals meanwhile: a refresh token can be used only once."""
        ...


class MemoryStore:
    """Stores tokens in memory."""

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
