"""RabbitMQ: one node with an epmd of its own."""

import os
import subprocess
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from typing_extensions import override

from stack.servers.ports import LOOPBACK
from stack.servers.programs import program, rabbitmq_scripts
from stack.servers.secret_file import write_secret
from stack.servers.server import BARE_PATH, Server

_USER = "madang"
_COMMAND_SECONDS = 60
_HTTP_SECONDS = 30
_CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{main}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {prometheus}
default_user = {user}
default_pass = {password}
default_user_tags.administrator = true
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
log.console = true
log.console.level = info
log.file = false
management.rates_mode = none
"""
_CALM = "+sbwt none +sbwtdcpu none +sbwtdio none"
"""Erlang's schedulers spin while they wait, which costs the tests' few cores more than it gains."""


_LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"
"""Erlang's distribution, by which nodes and commands reach a node, listens everywhere otherwise."""


class RabbitMQ(Server):
    """A node with streams, quorum queues, the management API and metrics."""

    name: str = "rabbitmq"
    port_names: ClassVar[tuple[str, ...]] = ("main", "dist", "epmd", "management", "prometheus")

    @property
    def url(self) -> str:
        """Where clients connect, with the virtual host `/`."""
        return self.vhost_url("/")

    def vhost_url(self, vhost: str) -> str:
        """Return where clients connect to a virtual host."""
        return f"amqp://{_USER}:{self.password}@{LOOPBACK}:{self.port}/{quote(vhost, safe='')}"

    def create_vhost(self, vhost: str) -> str:
        """Make a virtual host and return its URL."""
        with self.management() as client:
            client.put(f"/api/vhosts/{quote(vhost, safe='')}").raise_for_status()
        return self.vhost_url(vhost)

    def import_definitions(self, definitions: Mapping[str, Any]) -> None:
        """Import virtual hosts, users and permissions."""
        with self.management() as client:
            client.post("/api/definitions", json=definitions).raise_for_status()

    def delete_vhost(self, vhost: str) -> None:
        """Remove a virtual host with all that is in it, closing its connections."""
        with self.management() as client:
            client.delete(f"/api/vhosts/{quote(vhost, safe='')}").raise_for_status()

    def management(self) -> httpx.Client:
        """Return a client of the management API, as administrator."""
        return httpx.Client(
            base_url=f"http://{LOOPBACK}:{self.ports['management']}",
            auth=(_USER, self.password),
            timeout=_HTTP_SECONDS,
            trust_env=False,
        )

    def rabbitmqctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl`, which takes about a second, and return its output."""
        done = subprocess.run(
            [rabbitmq_scripts() / "rabbitmqctl", *arguments],
            env={"PATH": BARE_PATH, "LANG": "C.UTF-8", **self._environment()},
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"rabbitmqctl {arguments[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout

    @override
    def prepare(self) -> None:
        config = self.folder / "rabbitmq.conf"
        write_secret(config, _CONFIG.format(**self.ports, user=_USER, password=self.password))
        (self.folder / "enabled_plugins").write_text(
            "[rabbitmq_management,rabbitmq_prometheus].\n", encoding="utf-8"
        )
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            with os.fdopen(os.open(cookie, os.O_WRONLY | os.O_CREAT, 0o400), "w") as file:
                file.write(self.password)

    @override
    def launch(self) -> None:
        if self.processes.alive("names") is None:
            epmd = program("epmd", package="erlang-base")
            port = str(self.ports["epmd"])
            self.run("names", [epmd, "-port", port, "-address", LOOPBACK])
        server = rabbitmq_scripts() / "rabbitmq-server"
        # With `detached` set the script becomes the node instead of waiting for it.
        self.run("main", [server], env=self._environment() | {"detached": "1"})

    @override
    def is_ready(self) -> bool:
        try:
            with self.management() as client:
                return client.get("/api/health/checks/virtual-hosts").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _environment(self) -> dict[str, str]:
        def inside(name: str) -> str:
            return str(self.folder / name)

        return {
            "HOME": str(self.folder),
            "ERL_CRASH_DUMP": inside("crash.dump"),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": inside("rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(self.ports["dist"]),
            "RABBITMQ_ENABLED_PLUGINS_FILE": inside("enabled_plugins"),
            "RABBITMQ_FEATURE_FLAGS_FILE": inside("feature_flags"),
            "RABBITMQ_LOG_BASE": inside("log"),
            "RABBITMQ_MNESIA_BASE": inside("data"),
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODENAME": f"madang-{self.port}@localhost",
            "RABBITMQ_PID_FILE": inside("rabbitmq.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{_CALM} {_LOOPBACK_ONLY}",
            "RABBITMQ_CTL_ERL_ARGS": _LOOPBACK_ONLY,
        }
