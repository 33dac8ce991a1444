"""Private real servers, one class each."""

from tests.stack.servers.mariadb import MariaDB
from tests.stack.servers.mongodb import MongoDB
from tests.stack.servers.mysql import MySQL
from tests.stack.servers.nginx import Nginx
from tests.stack.servers.programs import MissingProgramError
from tests.stack.servers.prometheus import Prometheus
from tests.stack.servers.rabbitmq import RabbitMQ
from tests.stack.servers.redis import Redis
from tests.stack.servers.server import Server, ServerNotReadyError

__all__ = [
    "MariaDB",
    "MissingProgramError",
    "MongoDB",
    "MySQL",
    "Nginx",
    "Prometheus",
    "RabbitMQ",
    "Redis",
    "Server",
    "ServerNotReadyError",
]
