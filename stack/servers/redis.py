"""Redis, with an append-only file as in production."""

from redis import Redis as Client
from redis.exceptions import RedisError
from typing_extensions import override

from stack.servers.ports import LOOPBACK
from stack.servers.programs import program
from stack.servers.secret_file import write_secret
from stack.servers.server import Server

_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
appendonly yes
appendfsync everysec
save ""
databases {databases}
maxmemory 256mb
maxmemory-policy noeviction
"""
_ANSWER_SECONDS = 1
_DATABASES = 1024
_TAKEN = "databases-taken"


class Redis(Server):
    """One Redis with a password and 1024 databases."""

    name: str = "redis"

    @property
    def url(self) -> str:
        """Where clients connect, with database 0."""
        return self.database_url(0)

    def database_url(self, number: int) -> str:
        """Return where clients connect to a database of that number."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{number}"

    def take_database(self) -> int:
        """Return the number of an unused, empty database; raise if none is left."""
        with Client.from_url(self.url) as client:
            number = 1 + int(client.incr(_TAKEN)) % (_DATABASES - 1)
        self.empty_database(number)
        return number

    def empty_database(self, number: int) -> None:
        """Remove everything from a database."""
        with Client.from_url(self.database_url(number)) as client:
            client.flushdb()

    @override
    def prepare(self) -> None:
        config = self.folder / "redis.conf"
        write_secret(
            config,
            _CONFIG.format(
                port=self.port, password=self.password, folder=self.folder, databases=_DATABASES
            ),
        )

    @override
    def launch(self) -> None:
        server = program("redis-server", package="redis-server")
        self.run("main", [server, self.folder / "redis.conf"])

    @override
    def is_ready(self) -> bool:
        try:
            with Client.from_url(self.url, socket_timeout=_ANSWER_SECONDS) as client:
                return bool(client.ping())
        except RedisError:
            return False
