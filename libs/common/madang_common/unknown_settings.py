"""`MADANG_…` variables that are not settings, most likely misspelt."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from typing_extensions import override

from madang_common.variables import FILE_SUFFIX, PREFIX, variable

NAMES_FILE = Path(__file__).with_name("setting_names.txt")
"""The settings of every service, generated, because a process imports only its own classes."""

_OTHERS = frozenset(
    {
        "MADANG_SERVER",
        "MADANG_PASSWORD",
        "MADANG_STATE_DIR",
        "MADANG_E2E",
        "MADANG_STACK_DIR",
        "MADANG_STACK_PORT",
    }
)
"""Variables of the `madang` command, the Makefile and the tests."""
_OF_KUBERNETES = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP)\w*)")
"""Variables that Kubernetes sets for a Service whose name begins with `madang-`."""
_SERVICE_LINK = "tcp://"
"""Begins the value of another one, such as `MADANG_GATEWAY_PORT`."""


@dataclass(frozen=True, slots=True)
class UnknownSetting:
    """A variable that is not a setting."""

    name: str
    closest: str | None
    """The setting with the most similar name."""

    @override
    def __str__(self) -> str:
        hint = "" if self.closest is None else f"; did you mean {self.closest}?"
        return f"{self.name} is not a setting{hint}"


def is_service_link(name: str, value: str) -> bool:
    """Return whether Kubernetes set the variable `name` for a Service, perhaps over a setting's.

    A Service `madang-redis` sets `MADANG_REDIS_PORT` to `tcp://10.0.0.1:6379`.
    """
    return name.upper().endswith("PORT") and value.startswith(_SERVICE_LINK)


def unknown_settings(
    environment: Mapping[str, str], own: Iterable[str] = ()
) -> Iterator[UnknownSetting]:
    """Yield the `MADANG_…` variables of `environment` that are not settings.

    `own` are settings of this process in addition to those of the services.
    """
    settings = set(map(variable, own)) | set(NAMES_FILE.read_text().split())
    known = settings | {name + FILE_SUFFIX for name in settings}
    for given, value in sorted(environment.items()):
        name = given.upper()
        if not name.startswith(PREFIX) or name in known | _OTHERS:
            continue
        if _OF_KUBERNETES.fullmatch(name) or is_service_link(name, value):
            continue
        closest = get_close_matches(name, known, n=1)
        yield UnknownSetting(given, closest[0] if closest else None)
