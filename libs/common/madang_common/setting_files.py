"""Settings from files: `MADANG_X_FILE` is the path of a file that holds the value of `MADANG_X`."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from typing_extensions import override

from madang_common.unknown_settings import is_service_link
from madang_common.variables import FILE_SUFFIX, variable

_MAX_BYTES = 65_536
"""Largest file of a setting."""


class UnusableFile(ValueError):  # noqa: N818 - names a state
    """A file cannot be used as the value of a setting; the message does not contain its content."""


@dataclass(frozen=True, slots=True)
class InvalidSetting:
    """Stands for the value of a setting that could not be read; validation refuses it."""

    problem: str
    """Names the variable and the path, and says what is wrong."""


def read_value(path: Path) -> str:
    """Return the text of the file at `path` without one trailing newline; raise UnusableFile."""
    try:
        if path.exists() and not path.is_file():
            raise UnusableFile("is not a regular file")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UnusableFile(f"cannot be read: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise UnusableFile(f"is larger than {_MAX_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise UnusableFile("is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


class FileSource(PydanticBaseSettingsSource):
    """Reads the files that `MADANG_X_FILE` variables name."""

    def __init__(self, settings_cls: type[BaseSettings], given: Iterable[str]) -> None:
        """Skip the fields in `given`, which the caller set by keyword."""
        super().__init__(settings_cls)
        self._given = frozenset(given)

    @override
    def __call__(self) -> dict[str, Any]:
        environment = {name.upper(): value for name, value in os.environ.items()}
        found = {
            name: _value(name, environment)
            for name in self.settings_cls.model_fields.keys() - self._given
        }
        return {name: value for name, value in found.items() if value is not None}

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # `__call__` is overridden


def _value(field: str, environment: Mapping[str, str]) -> str | InvalidSetting | None:
    """Return the content of the file that is given for `field`, None if none is given."""
    direct = variable(field)
    by_file = direct + FILE_SUFFIX
    path = environment.get(by_file)
    if path is None:
        return None
    plain = environment.get(direct)
    if plain is not None and not is_service_link(direct, plain):
        return InvalidSetting(f"{direct} and {by_file} are both set; set only one")
    if not path:
        return InvalidSetting(f"{by_file} is empty; give the path of a file")
    try:
        return read_value(Path(path))
    except UnusableFile as error:
        return InvalidSetting(f"{by_file}={path} {error}")
