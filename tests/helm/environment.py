"""Reads the environment of our containers with the settings classes of their services."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import trustme
from pydantic import ValidationError

from contracts.chart.manifests import Manifests, Object, Workload, command_line
from madang_common.settings import CannotStart, CommonSettings, Environment
from madang_common.variables import FILE_SUFFIX, PREFIX
from madang_gateway.settings import GatewaySettings
from madang_rooms.settings import RoomsSettings
from stack.service import SETTINGS
from tests.helm.mounts import Mounts
from tests.support.deployment import ROOT, Dockerfile


class _LogSettings(CommonSettings):
    """Settings of the command that declares the log; it needs no secret of a service."""

    environment: Environment = Environment.DEVELOPMENT


NEEDED: Mapping[str, tuple[str, ...]] = {
    "gateway": ("amqp", "redis"),
    "auth": ("amqp", "redis", "signing_keys_dir", "service_secrets_dir"),
    "rooms": ("amqp", "database"),
    "history": ("amqp", "mongo"),
}
"""What each service cannot do without on the real servers."""
COMMANDS: Mapping[tuple[str, ...], tuple[type[CommonSettings], tuple[str, ...]] | None] = {
    ("python", "-m", "madang_common.log.setup"): (_LogSettings, ("amqp",)),
    ("migrate",): (RoomsSettings, ("database",)),
    ("wait",): (RoomsSettings, ("database",)),
    ("keys", "secret"): None,
    ("python",): None,
    ("sh",): None,
}
"""First words of commands: the settings that they read, if they do, and what they need of them."""
REQUESTS_SECONDS = 10.0
"""Longest time that a process lets running requests end, see `madang_common.server`."""
_PATHS = (FILE_SUFFIX, "_DIR")
_URLS = {
    "amqp_url": "amqp://user:password@rabbitmq.example/madang",
    "database_url": "mysql+asyncmy://user:password@mysql.example/madang",
    "mongo_url": "mongodb://user:password@mongodb.example/?replicaSet=madang",
    "redis_url": "redis://:password@redis.example/0",
}
_SECURE_URLS = {
    **_URLS,
    "amqp_url": "amqps://user:password@rabbitmq.example/madang",
    "mongo_url": "mongodb+srv://user:password@mongodb.example/?tls=true",
    "redis_url": "rediss://:password@redis.example/0",
}
_PORTS = {"amqp_port": "5672", "database_port": "3306", "mongo_port": "27017", "redis_port": "6379"}


@dataclass(frozen=True)
class OurContainer:
    """A container with the image of one of our services."""

    manifests: Manifests
    workload: Workload
    container: Object
    service: str

    @property
    def title(self) -> str:
        """Its workload and its name."""
        return f"{self.workload.title}: container {self.container['name']}"

    @property
    def serves(self) -> bool:
        """Whether it runs the service itself, not one of its commands."""
        return self.workload.is_endless and self.container in self.workload.main

    @property
    def read(self) -> tuple[type[CommonSettings], tuple[str, ...]] | None:
        """The settings that its process reads, None for none, and what it needs of them."""
        words = tuple(command_line(self.container))
        if not words:
            return SETTINGS[self.service], NEEDED[self.service]
        return next(read for first, read in COMMANDS.items() if words[: len(first)] == first)

    @property
    def variables(self) -> dict[str, str]:
        """Its variables; those from Secrets have a value that fits."""
        given = Dockerfile(ROOT / "services" / self.service / "Dockerfile").environment
        maps = self.manifests.named("ConfigMap")
        for source in self.container.get("envFrom", []):
            name = source.get("configMapRef", {}).get("name")
            given |= maps[name]["data"] if name in maps else {}
        for variable in self.container.get("env", []):
            given[variable["name"]] = self._value(variable)
        return given

    def _value(self, variable: Object) -> str:
        source = variable.get("valueFrom", {})
        if "configMapKeyRef" in source:
            wanted = source["configMapKeyRef"]
            data: dict[str, str] = self.manifests.named("ConfigMap")[wanted["name"]]["data"]
            return data[wanted["key"]]
        if "secretKeyRef" in source:
            return _fitting(variable["name"].removeprefix(PREFIX).lower())
        return str(variable.get("value", ""))

    def settings(self, folder: Path) -> CommonSettings | None:
        """Return the settings as its process reads them; mounted files are made in `folder`."""
        if self.read is None:
            return None
        with _environment(self._with_files(folder)):
            return self.read[0]()

    def _with_files(self, folder: Path) -> dict[str, str]:
        """Return the variables with paths of files in `folder` instead of mounted ones."""
        mounts = Mounts(self.manifests, self.workload, self.container)
        variables = self.variables
        for name, value in variables.items():
            if name.startswith(PREFIX) and name.endswith(_PATHS) and mounts.holds(value):
                place = folder / value.lstrip("/")
                files = [place]
                if name.endswith("_DIR"):
                    place.mkdir(parents=True, exist_ok=True)
                    files = [place / file for file in mounts.files(value)]
                for file in files:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(_content(name, variables), encoding="utf-8")
                variables[name] = str(place)
        return variables


def ours(manifests: Manifests) -> Iterator[OurContainer]:
    """Yield the containers that run our services, or commands of theirs."""
    for workload, container in manifests.containers():
        repository = container["image"].partition("@")[0].rpartition("/")[2].partition(":")[0]
        service = repository.removeprefix("madang-")
        if service in SETTINGS:
            yield OurContainer(manifests, workload, container, service)


def faults(manifests: Manifests, folder: Path) -> list[str]:
    """Return the variables that are no settings, wrong, or missing, and files that are not there.

    The mounted files are made in `folder`.
    """
    found = []
    for number, process in enumerate(ours(manifests)):
        wrong = [*_unknown(process), *_secrets(process), *_paths(process)]
        if not wrong:
            wrong = list(_refused(process, folder / str(number)))
        found += [f"{process.title}: {fault}" for fault in wrong]
    return found


def drain_seconds(manifests: Manifests, folder: Path) -> dict[str, float]:
    """Return how long each of our Deployments takes at most to end after SIGTERM, by title."""
    drains = {}
    for found in ours(manifests):
        settings = found.settings(folder / found.service) if found.serves else None
        if settings is not None:
            drains[found.workload.title] = _drain_seconds(settings)
    return drains


def _drain_seconds(settings: CommonSettings) -> float:
    seconds = REQUESTS_SECONDS
    if isinstance(settings, GatewaySettings):
        seconds += settings.drain_seconds
    if isinstance(settings, RoomsSettings):
        seconds += settings.outbox_stop_seconds
    return seconds


def _unknown(process: OurContainer) -> Iterator[str]:
    for name in process.variables:
        if name.startswith(PREFIX) and _field(name, SETTINGS[process.service]) is None:
            yield f"{name} is no setting of {process.service}"


def _secrets(process: OurContainer) -> Iterator[str]:
    """Yield the secrets that are given as variables, where other processes can read them."""
    settings = SETTINGS[process.service]
    for name in process.variables:
        field = name.removeprefix(PREFIX).lower()
        if field in settings.model_fields and "SecretStr" in repr(
            settings.model_fields[field].annotation
        ):
            yield f"{name} is a secret and must be a file"


def _paths(process: OurContainer) -> Iterator[str]:
    mounts = Mounts(process.manifests, process.workload, process.container)
    for name, value in process.variables.items():
        if name.startswith(PREFIX) and name.endswith(_PATHS):
            fault = mounts.fault(value)
            if fault is not None:
                yield f"{name}: {fault}"


def _refused(process: OurContainer, folder: Path) -> Iterator[str]:
    try:
        settings = process.settings(folder)
        for needed in process.read[1] if process.read is not None else ():
            if getattr(settings, needed) is None:
                yield f"{needed} is not set"
    except ValidationError as error:
        for part in error.errors(include_input=False, include_url=False):
            yield f"{'.'.join(map(str, part['loc']))}: {part['msg']}"
    except CannotStart as error:
        yield str(error)


def _field(name: str, settings: type[CommonSettings]) -> str | None:
    """Return the field that a variable sets, directly or by a file."""
    field = name.removeprefix(PREFIX).lower()
    if field in settings.model_fields:
        return field
    by_file = field.removesuffix(FILE_SUFFIX.lower())
    return by_file if by_file in settings.model_fields else None


def _content(name: str, variables: Mapping[str, str]) -> str:
    field = name.removeprefix(PREFIX).removesuffix(FILE_SUFFIX).lower()
    if field.endswith("_ca"):
        return _ca_certificate()
    if field in _URLS and f"{name.removesuffix('_URL_FILE')}_CA_FILE" in variables:
        return _SECURE_URLS[field]
    return _fitting(field)


@cache
def _ca_certificate() -> str:
    return trustme.CA().cert_pem.bytes().decode()


def _fitting(field: str) -> str:
    """Return a value that a Secret could hold for this setting."""
    if field in _URLS:
        return _URLS[field]
    if field in _PORTS:
        return _PORTS[field]
    return "server.example" if field.endswith(("_host", "_hosts")) else "any: p@ss/word%"


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Replace the environment of this process for a while."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
