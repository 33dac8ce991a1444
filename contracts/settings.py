"""docs/settings.md: a table of all settings, from the settings classes and their docstrings."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from madang_auth.settings import AuthSettings
from madang_common.redis.settings import RedisSettings
from madang_common.settings import DEVELOPMENT_SECRET, CommonSettings
from madang_common.variables import variable
from madang_gateway.settings import GatewaySettings
from madang_history.settings import HistorySettings
from madang_rooms.settings import RoomsSettings
from madang_standalone.settings import StandaloneSettings

_ROOT = Path(__file__).resolve().parents[1]
SETTINGS: Mapping[str, type[CommonSettings]] = {
    "Every service": CommonSettings,
    "gateway and auth": RedisSettings,
    "gateway": GatewaySettings,
    "auth": AuthSettings,
    "rooms": RoomsSettings,
    "history": HistorySettings,
    "All in one process (`make run`)": StandaloneSettings,
}
"""Each settings class, by its heading in the page."""
_HEAD = """\
# Settings

Every setting is an environment variable, read once at the start. Lists are separated by commas or
written as JSON; maps are JSON. `make contracts` generates this page from the settings classes.

**From a file:** instead of any `MADANG_X` you may set `MADANG_X_FILE`, the path of a file that
contains the value, such as a mounted secret. It is UTF-8 text of at most 65536 bytes; one newline
at its end is dropped. `MADANG_X` and `MADANG_X_FILE` together are refused.

**A server by URL or by parts:** RabbitMQ (`MADANG_AMQP_…`), MySQL (`MADANG_DATABASE_…`), MongoDB
(`MADANG_MONGO_…`) and Redis (`MADANG_REDIS_…`) are named either by `…_URL` or by their parts: host
or hosts, port, user, password and others. In a URL, special characters of the user and the password
are percent-encoded; as parts they are given as they are. The URL and parts together are refused;
only `…_CA_FILE` and `MADANG_DATABASE_TLS` go with both.

**TLS to a server:** on with `amqps://`, `rediss://`, `tls=true` in the URL of MongoDB, or `…_TLS`.
The server's certificate and its host name are verified, with TLS 1.2 at least. `…_CA_FILE` is a
file of CA certificates in PEM, which are then the only trusted ones; it is read at the start. With
Sentinel it is used for the Sentinels too; let them and Redis announce host names that are in the
certificates (`resolve-hostnames yes`, `announce-hostnames yes`).
"""
_COLUMNS = "| setting | default | meaning |\n| --- | --- | --- |\n"


def settings_page() -> str:
    """Return the page as Markdown: a table of common settings, then one for each service."""
    return _HEAD + "".join(
        f"\n## {title}\n\n{_COLUMNS}{''.join(_rows(settings))}"
        for title, settings in SETTINGS.items()
    )


def setting_names() -> str:
    """Return the name of every setting, one in a line."""
    names = {variable(name) for settings in SETTINGS.values() for name in settings.model_fields}
    return "".join(f"{name}\n" for name in sorted(names))


def _rows(settings: type[CommonSettings]) -> Iterator[str]:
    base = settings.__base__
    inherited = base.model_fields if base and issubclass(base, CommonSettings) else {}
    for name, field in settings.model_fields.items():
        if name in inherited and _default(field) == _default(inherited[name]):
            continue
        cells = (f"`{variable(name)}`", _default(field), field.description or "")
        yield f"| {' | '.join(map(_cell, cells))} |\n"


def _cell(text: str) -> str:
    """Return `text` for a cell of a Markdown table: without line breaks, and with pipes escaped."""
    return " ".join(text.split()).replace("|", r"\|")


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "see the meaning"
    default = field.default
    if default is None:
        return "not set"
    if _is_development_secret(default):
        return "for development only"
    if isinstance(default, SecretStr):
        return "empty"
    if isinstance(default, Path):
        default = str(default.relative_to(_ROOT) if default.is_absolute() else default)
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _is_development_secret(default: object) -> bool:
    values = default.values() if isinstance(default, dict) else [default]
    secrets = [value for value in values if isinstance(value, SecretStr)]
    return any(secret.get_secret_value() == DEVELOPMENT_SECRET for secret in secrets)
