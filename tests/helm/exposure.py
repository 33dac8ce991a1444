"""Checks that no secret's value is in a ConfigMap, a variable, an argument or a Secret."""

import re
from collections.abc import Iterator

from contracts.chart.manifests import Manifests, command_line, title

_SECRET = re.compile(r"(PASSWORD|PASS|SECRET|TOKEN|PRIVATE_KEY|API_KEY|ERLANG_COOKIE)$")
_NAMES_A_PLACE = re.compile(r"_(FILE|DIR)$")
_IN_URL = re.compile(r"\w+://[^/\s:@]*:[^/\s@]+@")
_PRIVATE_KEY = "PRIVATE KEY-----"
_REPLACED = re.compile(r"\$\(\w+\)|\$\{?\w+\}?")


def exposed_faults(manifests: Manifests) -> list[str]:
    """Return the places where anyone who may read pods and ConfigMaps finds a secret."""
    found = [
        f"{title(item)}: key {key} holds a secret"
        for item in manifests.of("ConfigMap")
        for key, text in item.get("data", {}).items()
        if _is_exposed(key, text)
    ]
    for workload, container in manifests.containers():
        at = f"{workload.title}: container {container['name']}"
        found += [
            f"{at}: {variable['name']} holds a secret"
            for variable in container.get("env", [])
            if _is_exposed(variable["name"], variable.get("value", ""))
        ]
        found += [
            f"{at}: an argument holds a secret"
            for word in command_line(container)
            if _has_secret(word)
        ]
    return found


def committed_faults(manifests: Manifests) -> list[str]:
    """Return the Secrets that have values: in a repository they would be known to all."""
    return [
        f"{title(item)}: it has values"
        for item in manifests.of("Secret")
        if any(_values(item.get("data"))) or any(_values(item.get("stringData")))
    ]


def _values(data: dict[str, str] | None) -> Iterator[str]:
    return (value for value in (data or {}).values() if value)


def _is_exposed(name: str, value: str) -> bool:
    if _has_secret(value):
        return True
    named = _SECRET.search(name.upper()) and not _NAMES_A_PLACE.search(name.upper())
    return bool(named and value and not _REPLACED.fullmatch(value))


def _has_secret(text: str) -> bool:
    return _PRIVATE_KEY in text or bool(_IN_URL.search(_REPLACED.sub("", text)))
