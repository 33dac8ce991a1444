"""Every target, every figure, and which targets a figure is of."""

from bench.figures.connections import connections
from bench.figures.connects import connects
from bench.figures.curves import curves
from bench.figures.deliveries import deliveries
from bench.figures.foreign import foreign
from bench.figures.ingest import ingest
from bench.figures.latency import latency
from bench.figures.life import life
from bench.figures.pages import pages
from bench.figures.port import Figure
from bench.figures.rest import rest
from bench.figures.rooms import rooms
from bench.figures.sends import sends
from bench.targets.embedded import Embedded
from bench.targets.madang import Madang, MadangApart
from bench.targets.naive import Naive
from bench.targets.nats import Nats
from bench.targets.port import Target
from bench.targets.reflector import Reflector
from bench.targets.socketio import SocketIo
from bench.targets.web_stomp import WebStomp

_ALL: tuple[Target, ...] = (
    Madang(),
    MadangApart(),
    Embedded(),
    WebStomp(),
    Nats(),
    SocketIo(),
    Naive(),
    Reflector(),
)
TARGETS = {target.name: target for target in _ALL}

_OURS = (Madang.name,)
_CHATS = tuple(name for name in TARGETS if name not in {MadangApart.name, Reflector.name})

FIGURES: dict[str, tuple[Figure, tuple[str, ...]]] = {
    "deliveries": (deliveries, _CHATS),
    "rooms": (rooms, _CHATS),
    "sends": (sends, (Madang.name, MadangApart.name, *_CHATS[1:])),
    "latency": (latency, _CHATS),
    "connections": (connections, _CHATS),
    # Without the embedded form: thousands of its accounts would cost a password hash each.
    "connects": (connects, tuple(name for name in _CHATS if name != Embedded.name)),
    "foreign": (foreign, _OURS),
    "ingest": (ingest, _OURS),
    "pages": (pages, _OURS),
    "curves": (curves, _OURS),
    "life": (life, _OURS),
    "rest": (rest, _OURS),
}
"""By name: how it is measured, and the targets that are compared in it, in their order."""
