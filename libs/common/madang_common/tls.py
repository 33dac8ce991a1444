"""TLS to the servers: their certificates and host names are verified, TLS 1.2 at least."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS to a server whose certificate a CA in `ca_file` signed, by default a CA of the system."""

    ca_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return a context for clients; raise OSError if the file cannot be used."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def check_ca_file(path: Path | None) -> Path | None:
    """Return `path`; raise ValueError if it is not a file of CA certificates."""
    if path is not None:
        try:
            Tls(path).context()
        except OSError as error:
            reason = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
            raise ValueError(f"not a file of CA certificates in PEM: {reason}") from None
    return path


CaFile = Annotated[Path | None, AfterValidator(check_ca_file)]
"""A setting with a file of CA certificates."""
