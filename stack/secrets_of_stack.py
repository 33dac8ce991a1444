"""The secrets of one stack's services."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from madang_auth.signing.keys import make_first_key
from stack.servers.secret_file import write_secret

_CLIENTS = ("gateway", "rooms", "history")
"""Services that ask auth for service tokens."""


@dataclass(frozen=True)
class Secrets:
    """Random secrets in a folder: made once, then kept."""

    folder: Path

    def make(self) -> None:
        """Make whatever is not there."""
        self._clients.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_first_key(self.signing_keys, time.time)
        for client in _CLIENTS:
            if not (self._clients / client).exists():
                write_secret(self._clients / client, secrets.token_urlsafe(32))

    def settings_of(self, service: str) -> dict[str, str]:
        """Return the settings with a service's own secrets."""
        if service == "auth":
            # It asks nobody for tokens: it has the keys.
            return {
                "MADANG_SERVICE_SECRETS_DIR": str(self._clients),
                "MADANG_SIGNING_KEYS_DIR": str(self.signing_keys),
            }
        return {"MADANG_SERVICE_CLIENT_SECRET_FILE": str(self._clients / service)}

    @property
    def signing_keys(self) -> Path:
        """Folder of the keys that auth signs with."""
        return self.folder / "signing"

    @property
    def _clients(self) -> Path:
        return self.folder / "services"
