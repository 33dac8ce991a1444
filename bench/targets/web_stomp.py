"""How to talk to RabbitMQ's own STOMP over WebSocket; a room is a key of its topic exchange."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from typing_extensions import override

from bench import stomp
from bench.deadline import Deadline
from bench.failure import BenchError
from bench.machine import Cores, pinned
from bench.targets.port import TEXT, Demand, Placement, Running, Target
from bench.targets.private import pid_of
from bench.virtual_client import SLOT, Line, VirtualClient
from bench.websocket import upgrade
from stack.run import ServerRun
from stack.servers import MissingProgramError, RabbitMQ, ServerNotReadyError

_PLUGINS = "[rabbitmq_management,rabbitmq_prometheus,rabbitmq_web_stomp].\n"
_CONFIG = """\
stomp.listeners.tcp.1 = 127.0.0.1:{stomp}
web_stomp.tcp.ip = 127.0.0.1
web_stomp.tcp.port = {web_stomp}
web_stomp.tcp.backlog = 4096
web_stomp.cowboy_opts.idle_timeout = 3600000
"""


class WebStompServer(RabbitMQ):
    """The node that Madang gets, with one plugin more."""

    port_names: ClassVar[tuple[str, ...]] = (*RabbitMQ.port_names, "stomp", "web_stomp")

    @override
    def prepare(self) -> None:
        super().prepare()
        with (self.folder / "rabbitmq.conf").open("a", encoding="utf-8") as config:
            config.write(_CONFIG.format(**self.ports))
        (self.folder / "enabled_plugins").write_text(_PLUGINS, encoding="utf-8")

    @property
    def login(self) -> Mapping[str, str]:
        """Headers of CONNECT."""
        return {"login": "madang", "passcode": self.password, "host": "/"}


class WebStomp(Target):
    """RabbitMQ alone, with rabbitmq_web_stomp."""

    name = "web-stomp"
    title = "Web-STOMP"
    # Several bytes: the length of its frames grows with the number in `message-id`, and a MESSAGE
    # repeats the `receipt` of its SEND.
    echo_mark = b"!\0"
    receipt_mark = b"d:!"
    acknowledgement = "RECEIPT: the broker has put the message into every queue; not durable"

    @override
    @contextmanager
    def running(self, cores: Cores, deadline: Deadline) -> Iterator[Running]:
        run = ServerRun.begin()
        try:
            server = run.private(WebStompServer, "rabbitmq")
            with pinned(cores.server):
                server.start()
            yield RunningWebStomp(server)
        except (MissingProgramError, ServerNotReadyError) as error:
            raise BenchError(f"{self.title}: {error}") from error
        finally:
            run.end()


class RunningWebStomp(Running):
    """The node."""

    def __init__(self, server: WebStompServer) -> None:
        self._server = server
        self.port = server.ports["web_stomp"]
        self.processes: Mapping[str, int] = {"broker": pid_of(server)}

    @override
    def prepare(self, demand: Demand, deadline: Deadline) -> Placement:
        return WebStompPlacement(self.port, self._server.login, demand)

    @override
    def last_words(self) -> str:
        return self._server.log_tail()


class WebStompPlacement(Placement):
    """Routing keys that the first subscription binds."""

    def __init__(self, port: int, login: Mapping[str, str], demand: Demand) -> None:
        self._host = f"127.0.0.1:{port}"
        self._login = login
        self._demand = demand

    @override
    def client(self, number: int, *, in_flight: int = 0, receipts: bool = False) -> VirtualClient:
        room = f"/topic/room.{self._demand.room_of(number)}"
        opening = (
            upgrade("/ws", host=self._host, subprotocol="v12.stomp"),
            stomp.connect(self._login),
            stomp.subscribe(room),
        )
        if receipts:
            line = stomp.send(room, TEXT, receipt=f"!{SLOT.decode()}")
        else:
            line = stomp.send(room, f"{TEXT} {SLOT.decode()}!")
        return VirtualClient(opening, (Line.of(line),), in_flight)
