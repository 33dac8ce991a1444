"""Loads the trusted certificates once for all HTTP clients of the test process.

httpx loads about 140 of them for each client, which costs more than most requests of a test.
"""

import os
import ssl
from functools import cache
from typing import Any

import httpx
import pytest
from httpx._transports import default

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""They name other certificates; httpx reads them unless it is told not to."""


def pytest_configure() -> None:
    # For all of the process; it fails if httpx has no such name any more.
    pytest.MonkeyPatch().setattr(default, "create_ssl_context", _context)


def _context(**options: Any) -> ssl.SSLContext:
    if options["verify"] is not True or options["cert"] is not None:
        return httpx.create_ssl_context(**options)
    named = map(os.environ.get, _VARIABLES) if options["trust_env"] else ()
    return _trusting(*named, trust_env=options["trust_env"])


@cache
def _trusting(*_: str | None, trust_env: bool) -> ssl.SSLContext:
    """Return a context; other values of the variables make another one."""
    return httpx.create_ssl_context(trust_env=trust_env)
