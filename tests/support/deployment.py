"""docker-compose.yml and the Dockerfiles, read as data."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")
"""One of compose's variables: its name, `-` with a default or `?` with a complaint."""


def compose_text() -> str:
    """Return the compose file as it stands."""
    return (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def example() -> dict[str, str]:
    """Return the variables that `.env.example` names, with their values."""
    return read_env(ROOT / ".env.example")


def read_env(path: Path) -> dict[str, str]:
    """Return the variables of a file of `NAME=value` lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the compose file with `variables`, as compose itself would read it."""

    def value(found: re.Match[str]) -> str:
        name, kind, default = found.groups()
        if given := variables.get(name):
            return given
        if kind != "-":
            raise KeyError(name)
        return str(default)

    document: dict[str, Any] = yaml.safe_load(compose_text())
    return {key: _replaced(part, value) for key, part in document.items() if key[:2] != "x-"}


def _replaced(part: Any, value: Any) -> Any:
    if isinstance(part, str):
        return VARIABLE.sub(value, part)
    if isinstance(part, dict):
        return {key: _replaced(inner, value) for key, inner in part.items()}
    if isinstance(part, list):
        return [_replaced(inner, value) for inner in part]
    return part


@dataclass(frozen=True)
class Dockerfile:
    """The instructions of one Dockerfile."""

    path: Path

    @cached_property
    def instructions(self) -> list[tuple[str, str]]:
        """Each instruction with its arguments, in one line."""
        lines = (line for line in self.text.splitlines() if not line.lstrip().startswith("#"))
        joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
        pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
        return [(name, rest.strip()) for name, _, rest in pairs]

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @property
    def bases(self) -> list[str]:
        """The image of each stage."""
        return [rest.split()[0] for name, rest in self.instructions if name == "FROM"]

    def last_stage(self, instruction: str) -> list[str]:
        """Return the arguments of each `instruction` in the final stage."""
        starts = [at for at, (name, _) in enumerate(self.instructions) if name == "FROM"]
        return [rest for name, rest in self.instructions[starts[-1] :] if name == instruction]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that its containers start with."""
        return dict(self._pairs("ENV"))

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self._pairs("LABEL"))

    def _pairs(self, instruction: str) -> Iterator[tuple[str, str]]:
        for rest in self.last_stage(instruction):
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                yield name, value
