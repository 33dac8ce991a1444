"""docs/settings.md: a table of all settings, from the settings classes and their docstrings."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from madang_auth.settings import AuthSettings
from madang_common.settings import DEVELOPMENT_SECRET, CommonSettings
from madang_gateway.settings import GatewaySettings
from madang_history.settings import HistorySettings
from madang_rooms.settings import RoomsSettings
from madang_standalone.settings import StandaloneSettings

_ROOT = Path(__file__).resolve().parents[1]
SETTINGS: Mapping[str, type[CommonSettings]] = {
    "Every service": CommonSettings,
    "gateway": GatewaySettings,
    "auth": AuthSettings,
    "rooms": RoomsSettings,
    "history": HistorySettings,
    "All in one process (`make run`)": StandaloneSettings,
}
"""Each settings class, by its heading in the page."""
_NAMES = "MADANG_{}\n"
_HEAD = """\
# Settings

Every setting is an environment variable, read once at the start. Lists are separated by commas or
written as JSON; maps are JSON. `make contracts` generates this page from the settings classes.
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
    names = {name.upper() for settings in SETTINGS.values() for name in settings.model_fields}
    return "".join(_NAMES.format(name) for name in sorted(names))


def _rows(settings: type[CommonSettings]) -> Iterator[str]:
    common = {} if settings is CommonSettings else CommonSettings.model_fields
    for name, field in settings.model_fields.items():
        if name in common and _default(field) == _default(common[name]):
            continue
        cells = (f"`MADANG_{name.upper()}`", _default(field), field.description or "")
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
    if isinstance(default, Path):
        default = str(default.relative_to(_ROOT) if default.is_absolute() else default)
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _is_development_secret(default: object) -> bool:
    values = default.values() if isinstance(default, dict) else [default]
    secrets = [value for value in values if isinstance(value, SecretStr)]
    return any(secret.get_secret_value() == DEVELOPMENT_SECRET for secret in secrets)
