"""Madang's topology in RabbitMQ: exchanges, streams, queues, bindings and permissions."""

from dataclasses import dataclass, field

from madang_common.log.port import Retention

LOG = "madang.log"
"""Direct exchange in front of the streams; the routing key is the shard's number, `{shard}` in
epoch 0 and `{epoch}.{shard}` later."""
LIVE = "madang.live"
"""Fanout exchange of live events, which are not stored."""
DEAD = "madang.dead"
"""Quorum queue of dead letters: lines that could not be stored, each with its reason."""
EPOCH = "madang.epoch"
"""Prefix of the exchanges that stand for the epochs after 0: each is declared when the streams of
its epoch, or of a later one, are declared and bound. Nothing is sent to them."""
END = "madang.end"
"""Type of the empty message with which the stream of an epoch ends."""
VHOST = "madang"
SETUP_COMMAND = "python -m madang_common.log.setup"
"""Declares the topology, for services that may not."""

_MAX_SEGMENT_BYTES = 500_000_000
_SEGMENTS = 16

Arguments = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue or stream, bound to `LOG` with each of `keys`."""

    name: str
    arguments: Arguments
    keys: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Permissions:
    """Permissions of a RabbitMQ user: regular expressions for names."""

    configure: str
    write: str
    read: str


NOTHING = "^$"
PERMISSIONS = {
    "gateway": Permissions(
        configure=r"^madang\.live\..*",
        write=r"^madang\.(log|live|live\..*)$",
        read=r"^madang\.(log(\.\d+){1,2}|live|live\..*)$",
    ),
    "auth": Permissions(configure=NOTHING, write=r"^madang\.live$", read=NOTHING),
    # On queues `write` permits to bind them, which also takes `read` on an exchange. So it only
    # lets rooms ask whether they exist, which takes any permission since RabbitMQ 4.3.1.
    "rooms": Permissions(
        configure=NOTHING, write=r"^madang\.(log(\.\d+){0,2}|dead)$", read=NOTHING
    ),
    "history": Permissions(
        configure=NOTHING, write=r"^amq\.default$", read=r"^madang\.(log(\.\d+){1,2}|dead)$"
    ),
}
"""By service, for its own user; the topology exists already."""
SETUP = Permissions(
    configure=r"^madang\.(setup|log(\.\d+){0,2}|epoch\.\d+|live|dead)$",
    write=r"^madang\.log(\.\d+){0,2}$",
    read=r"^madang\.log(\.\d+){0,2}$",
)
"""For the user that declares the topology and ends epochs, and for nothing else."""
OPERATOR = Permissions(
    configure=NOTHING,
    write=r"^madang\.log(\.\d+){0,2}$",
    read=r"^madang\.(log(\.\d+){1,2}|dead)$",
)
"""For the user that lists and resends dead letters, and compares the database with the log."""

LIVE_EXCHANGE = Exchange(LIVE, "fanout")
"""Declared after everything else."""
LOG_EXCHANGE = Exchange(LOG, "direct")
EXCHANGES = (LIVE_EXCHANGE, LOG_EXCHANGE)
# RabbitMQ 4 would drop a line after twenty redeliveries by default.
DEAD_QUEUE = Queue(DEAD, {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000})


def stream_name(shard: int, epoch: int = 0) -> str:
    """Return the name of the stream that holds `shard` in `epoch`."""
    return f"{LOG}.{routing_key(shard, epoch)}"


def routing_key(shard: int, epoch: int = 0) -> str:
    """Return the key with which batches of `shard` are sent to `LOG` in `epoch`."""
    return f"{epoch}.{shard}" if epoch else str(shard)


def epoch_exchange(epoch: int) -> Exchange:
    """Return the exchange that exists if the streams of `epoch` are declared and bound."""
    return Exchange(f"{EPOCH}.{epoch}", "fanout")


def stream(shard: int, retention: Retention, epoch: int = 0) -> Queue:
    """Return the stream of `shard` in `epoch`.

    RabbitMQ drops whole segments, so they are kept small.
    """
    arguments: Arguments = {
        "x-queue-type": "stream",
        "x-queue-leader-locator": "balanced",
        "x-max-age": f"{round(retention.seconds)}s",
        "x-max-length-bytes": retention.bytes,
        "x-stream-max-segment-size-bytes": min(_MAX_SEGMENT_BYTES, retention.bytes // _SEGMENTS),
    }
    return Queue(stream_name(shard, epoch), arguments, keys=(routing_key(shard, epoch),))


def queues(shards: int, retention: Retention, epoch: int = 0) -> list[Queue]:
    """Return all queues in the order of declaration: if the last one exists, all do."""
    streams = [stream(shard, retention, epoch) for shard in reversed(range(shards))]
    return [*streams, DEAD_QUEUE]
