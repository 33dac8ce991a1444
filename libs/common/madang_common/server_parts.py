"""Servers that the settings name by one URL or by parts: host, user, password and others."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from madang_common.variables import variable

# Clients replace an empty user or password by a default such as "guest".
_EMPTY = ("", SecretStr(""))


@dataclass(frozen=True, slots=True)
class ServerParts:
    """The settings of one server, by field name."""

    url: str
    hosts: tuple[str, ...]
    """Each of these, with the other parts, names the server; at most one is given."""
    others: tuple[str, ...]
    """The other parts; they need one of `hosts`."""
    with_either: tuple[str, ...] = ()
    """Settings that go with the URL and with the parts."""

    def are_given(self, settings: BaseSettings) -> bool:
        """Return whether the settings name the server, by its URL or by parts.

        Raise ValueError if they contradict each other.
        """
        names = _given(settings, (self.url, *self.hosts))
        others = _given(settings, self.others)
        if len(names) > 1:
            raise ValueError(f"{_variables(names, 'and')} are both set; set only one")
        if others and not names:
            raise ValueError(f"{variable(others[0])} needs {_variables(self.hosts, 'or')}")
        if others and names == [self.url]:
            raise ValueError(
                f"{variable(self.url)} and {variable(others[0])} are both set;"
                " give the URL or the parts"
            )
        with_either = _given(settings, self.with_either)
        if with_either and not names:
            needed = (self.url, *self.hosts)
            raise ValueError(f"{variable(with_either[0])} needs {_variables(needed, 'or')}")
        return bool(names)


def needs(settings: BaseSettings, name: str, *needed: str) -> None:
    """Raise ValueError if `name` is given and one of `needed` is not, or is empty."""
    if _is_given(settings, name):
        for other in needed:
            if not _is_given(settings, other) or getattr(settings, other) in _EMPTY:
                raise ValueError(f"{variable(name)} needs {variable(other)}")


def _is_given(settings: BaseSettings, name: str) -> bool:
    """Return whether the setting `name` differs from its default."""
    given: object = getattr(settings, name)
    default: object = type(settings).model_fields[name].get_default()
    return given != default


def _given(settings: BaseSettings, names: Iterable[str]) -> list[str]:
    return [name for name in names if _is_given(settings, name)]


def _variables(names: Iterable[str], word: str) -> str:
    return f" {word} ".join(map(variable, names))
