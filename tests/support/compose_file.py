"""The containers of docker-compose.yml with the variables of `.env.example`."""

from typing import Any

from contracts.images.pins import read
from stack.service import SETTINGS
from tests.support.deployment import ROOT, Dockerfile, compose, example

GIVEN = {name: value or f"given{number}" for number, (name, value) in enumerate(example().items())}
"""Values of the variables: those of the example, and some for those that are empty there."""
COMPOSE = compose(GIVEN)
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
"""All containers by name."""
OURS = {
    name: image
    for name, part in PARTS.items()
    if (image := part["image"].partition(":")[0].removeprefix("madang-")) in SETTINGS
}
"""The name of each of our own containers in the compose file, with its service."""
JOBS = {name for name, part in PARTS.items() if part["restart"] == "no"}
"""The containers that run once."""
RUNNING = PARTS.keys() - JOBS
IMAGES = read(ROOT)
DOCKERFILES = {name: Dockerfile(ROOT / "services" / name / "Dockerfile") for name in SETTINGS}
SERVING = sorted(name for name in OURS if name in RUNNING)
"""Our own containers that serve."""
SECRETS = {
    "gateway-1": {
        "rabbitmq": "rabbitmq/gateway",
        "redis": "redis/password",
        "service": "services/gateway",
    },
    "auth": {
        "rabbitmq": "rabbitmq/auth",
        "redis": "redis/password",
        "gateway": "services/gateway",
        "rooms": "services/rooms",
        "history": "services/history",
    },
    "rooms": {"rabbitmq": "rabbitmq/rooms", "mysql": "mysql/rooms", "service": "services/rooms"},
    "rooms-migrate": {"mysql": "mysql/migrate"},
    "rooms-compare": {"mysql": "mysql/rooms", "rabbitmq": "rabbitmq/operator"},
    "history-1": {
        "rabbitmq": "rabbitmq/history",
        "mongo": "mongo/history",
        "service": "services/history",
    },
    "log-setup": {"rabbitmq": "rabbitmq/setup"},
    "dead-letters": {"rabbitmq": "rabbitmq/operator"},
    "mongo-setup": {"root": "mongo/root", "history": "mongo/history"},
    "mysql": {"root": "mysql/root"},
    "mongo": {"root": "mongo/root", "key": "mongo/key"},
    "redis": {"password": "redis/password"},
    "grafana": {"admin": "grafana/admin"},
}
"""The secret in each file of a container; generated files excluded."""


def environment(name: str) -> dict[str, str]:
    """Return the variables of one of our own containers."""
    given: dict[str, str] = PARTS[name].get("environment", {})
    return DOCKERFILES[OURS[name]].environment | given


def networks_of(name: str) -> set[str]:
    return set(PARTS[name].get("networks", []))
