"""Private real servers, one class each."""

from stack.servers.alertmanager import Alertmanager
from stack.servers.mariadb import MariaDB
from stack.servers.mongodb import MongoDB
from stack.servers.mysql import MySQL
from stack.servers.nginx import Nginx
from stack.servers.programs import MissingProgramError
from stack.servers.prometheus import Prometheus
from stack.servers.rabbitmq import RabbitMQ
from stack.servers.redis import Redis
from stack.servers.server import Server, ServerNotReadyError

__all__ = [
    "Alertmanager",
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
