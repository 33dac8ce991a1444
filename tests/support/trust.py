"""Certificates of a CA of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def trusting(ca: Path) -> Iterator[None]:
    """Let this process, and those that it starts, trust the certificates of `ca`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(ca))
        patch.setenv("NODE_EXTRA_CA_CERTS", str(ca))
        yield
