"""The users that one stack's services have on its servers: as in production, one per service."""

import asyncio
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from madang_common.log import definitions
from madang_common.log.setup import set_up
from madang_common.password_files import read_password
from madang_common.settings import CommonSettings, Environment
from madang_common.variables import PREFIX
from madang_history.store import provision
from madang_rooms.storage import grants
from stack.servers import MariaDB, MongoDB, RabbitMQ, Redis
from stack.servers.ports import LOOPBACK
from stack.servers.secret_file import write_secret

VHOST = "madang"
_USERS = {
    "rabbitmq": tuple(definitions.USERS),
    "mariadb": tuple(grants.RIGHTS),
    "mongodb": ("history",),
}
"""Names of the password files of each server's users."""


@dataclass(frozen=True)
class ServerUsers:
    """The users, with random passwords in a folder that are made once and then kept."""

    folder: Path
    rabbitmq: RabbitMQ
    mariadb: MariaDB
    mongodb: MongoDB
    redis: Redis

    def make(self) -> None:
        """Make the passwords that are missing."""
        for server, names in _USERS.items():
            place = self.folder / server
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in names:
                if not (place / name).exists():
                    write_secret(place / name, secrets.token_urlsafe(24))
        write_secret(self.folder / "redis", self.redis.password)

    def start_rabbitmq(self) -> None:
        """Start RabbitMQ with its users."""
        self.rabbitmq.start()
        passwords = definitions.read_passwords(self.folder / "rabbitmq")
        self.rabbitmq.import_definitions(definitions.definitions(passwords, vhost=VHOST))

    def set_up_log(self, given: Mapping[str, str]) -> None:
        """Declare the log in RabbitMQ, as the `MADANG_…` variables describe it."""
        passwords = definitions.read_passwords(self.folder / "rabbitmq")
        log = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in given.items()
            if name.startswith(f"{PREFIX}LOG_")
        }
        settings = {
            "environment": Environment.DEVELOPMENT,
            "amqp_hosts": (f"{LOOPBACK}:{self.rabbitmq.port}",),
            "amqp_vhost": VHOST,
            "amqp_user": definitions.user_name("setup"),
            "amqp_password": passwords["setup"],
        }
        described = CommonSettings.model_validate(log | settings)
        # In a thread, because the caller's may run an event loop, as Playwright's does.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(set_up(described))).result()

    def start_mariadb(self) -> None:
        """Start MariaDB, which creates its users."""
        passwords = {name: read_password(self.folder / "mariadb", name) for name in grants.RIGHTS}
        self.mariadb.run_at_start(grants.statements(passwords))
        self.mariadb.start()

    def start_mongodb(self) -> None:
        """Start MongoDB with its user."""
        self.mongodb.start()
        with MongoClient[dict[str, Any]](self.mongodb.url) as client:
            provision.make_user(client, read_password(self.folder / "mongodb", "history"))

    def settings_of(self, service: str) -> dict[str, str]:
        """Return the settings by which a service reaches its servers."""
        return (
            self._amqp(service)
            | {
                "gateway": self._redis,
                "auth": self._redis,
                "rooms": lambda: self._database("rooms"),
                "history": self._mongo,
            }[service]()
        )

    def settings_of_command(self, service: str, command: str) -> dict[str, str]:
        """Return the settings of a command that has a user of its own."""
        if (service, command) == ("rooms", "migrate"):
            return self._database("migrate")
        if (service, command) in {("history", "dead"), ("rooms", "compare")}:
            return self._amqp("operator")
        return {}

    def _amqp(self, name: str) -> dict[str, str]:
        return {
            "MADANG_AMQP_HOSTS": f"{LOOPBACK}:{self.rabbitmq.port}",
            "MADANG_AMQP_VHOST": VHOST,
            "MADANG_AMQP_USER": definitions.user_name(name),
            "MADANG_AMQP_PASSWORD_FILE": str(self.folder / "rabbitmq" / name),
        }

    def _redis(self) -> dict[str, str]:
        return {
            "MADANG_REDIS_HOST": LOOPBACK,
            "MADANG_REDIS_PORT": str(self.redis.port),
            "MADANG_REDIS_PASSWORD_FILE": str(self.folder / "redis"),
        }

    def _database(self, name: str) -> dict[str, str]:
        return {
            "MADANG_DATABASE_HOST": LOOPBACK,
            "MADANG_DATABASE_PORT": str(self.mariadb.port),
            "MADANG_DATABASE_USER": grants.user_name(name),
            "MADANG_DATABASE_PASSWORD_FILE": str(self.folder / "mariadb" / name),
        }

    def _mongo(self) -> dict[str, str]:
        return {
            "MADANG_MONGO_HOSTS": f"{LOOPBACK}:{self.mongodb.port}",
            "MADANG_MONGO_USER": provision.USER,
            "MADANG_MONGO_PASSWORD_FILE": str(self.folder / "mongodb" / "history"),
            "MADANG_MONGO_REPLICA_SET": provision.REPLICA_SET,
        }
