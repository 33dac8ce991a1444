"""Settings of all services in one process."""

import secrets
import sys
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from madang_auth.settings import AuthSettings
from madang_common.settings import CommonSettings, LogFormat
from madang_gateway.settings import GatewaySettings
from madang_history.settings import HistorySettings
from madang_rooms.settings import RoomsSettings

_CLIENTS = ("gateway", "rooms", "history")
"""Services that request service tokens from auth."""


def _default_log_format() -> LogFormat:
    return LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON


def _random_secret() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(32))


class StandaloneSettings(CommonSettings):
    """Settings of the process; each service in it has its own settings too."""

    data_dir: Path = Path("data")
    """Folder of all data; one process at a time may use it."""
    web_dir: Path = Path(__file__).resolve().parents[3] / "web" / "public"
    """Folder of the browser client."""
    log_format: LogFormat = Field(default_factory=_default_log_format)
    """`console` for people, `json` for machines; by default `console` if stderr is a terminal."""
    drain_seconds: float = Field(default=0, ge=0)
    """Time over which connections are closed after SIGTERM; short, as there is no other gateway."""
    service_client_secret: SecretStr = Field(default_factory=_random_secret)
    """Secret between the services of this process; by default random at each start."""

    def auth(self) -> AuthSettings:
        """Return the settings of auth, with the secret of the other services."""
        service_secrets = dict.fromkeys(_CLIENTS, self.service_client_secret)
        # Without a folder of secrets, which the environment may name for the processes of auth.
        return AuthSettings(
            **self._shared(), service_secrets=service_secrets, service_secrets_dir=None
        )

    def rooms(self) -> RoomsSettings:
        """Return the settings of rooms."""
        return RoomsSettings(**self._shared())

    def history(self) -> HistorySettings:
        """Return the settings of history."""
        return HistorySettings(**self._shared())

    def gateway(self) -> GatewaySettings:
        """Return the settings of the gateway."""
        return GatewaySettings(**self._common(), drain_seconds=self.drain_seconds)

    def _shared(self) -> dict[str, Any]:
        return self._common() | {"data_dir": self.data_dir}

    def _common(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in CommonSettings.model_fields}
