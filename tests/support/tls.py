"""TLS for sockets that one thread reads while another writes."""

import select
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import override

T = TypeVar("T")


def client_context(ca: Path | None = None) -> ssl.SSLContext:
    """Return a TLS context for a threaded client; it trusts `ca`, or the default CAs."""
    context = ssl.create_default_context(cafile=ca)
    context.sslsocket_class = _TakingTurns
    return context


class _TakingTurns(ssl.SSLSocket):
    """A socket whose reader and writer never use OpenSSL's object at the same time.

    OpenSSL forbids that, Python 3.11 lets it happen, and `websockets.sync` does it: of its
    handshakes over TLS 1.3 one in some hundreds was lost, where the request is written while the
    server's session ticket is read.
    """

    @property
    def _turn(self) -> threading.Lock:
        # `SSLSocket` is made by a class method of its own, which calls no `__init__`.
        turn: threading.Lock = self.__dict__.setdefault("_turn_of_one", threading.Lock())
        return turn

    @override
    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        return self._in_turn(super().recv, buflen, flags)

    @override
    def send(self, data: Any, flags: int = 0) -> int:
        return self._in_turn(super().send, data, flags)

    def _in_turn(self, do: Callable[..., T], *arguments: Any) -> T:
        """Do it without waiting for the peer, who may wait for the other thread, in one's turn."""
        while True:
            reading, writing = [], []
            with self._turn:
                timeout = self.gettimeout()
                self.settimeout(0)
                try:
                    return do(*arguments)
                except ssl.SSLWantReadError:
                    reading.append(self)
                except ssl.SSLWantWriteError:
                    writing.append(self)
                finally:
                    self.settimeout(timeout)
            if not any(select.select(reading, writing, [], timeout)):
                raise TimeoutError("timed out")
