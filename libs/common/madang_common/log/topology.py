"""Madang's topology in RabbitMQ: exchanges, streams, queues, bindings and permissions.

`python -m madang_common.log.topology` prints it as definitions that RabbitMQ loads.
"""

import sys
from dataclasses import dataclass, field
from typing import Any

import orjson

from madang_common.log.port import Retention
from madang_common.settings import CommonSettings

LOG = "madang.log"
"""Direct exchange in front of the streams; the routing key is the shard's number."""
LIVE = "madang.live"
"""Fanout exchange of live events, which are not stored."""
DEAD = "madang.dead"
"""Quorum queue of dead letters: lines that could not be stored, each with its reason."""
VHOST = "madang"

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
    """Permissions of a service's own RabbitMQ user: regular expressions for names."""

    configure: str
    write: str
    read: str


NOTHING = "^$"
PERMISSIONS = {
    "gateway": Permissions(
        configure=r"^madang\.live\..*",
        write=r"^madang\.(log|live|live\..*)$",
        read=r"^madang\.(log\.\d+|live|live\..*)$",
    ),
    "auth": Permissions(configure=NOTHING, write=r"^madang\.live$", read=NOTHING),
    "rooms": Permissions(configure=NOTHING, write=r"^madang\.log$", read=NOTHING),
    "history": Permissions(
        configure=NOTHING, write=r"^amq\.default$", read=r"^madang\.(log\.\d+|dead)$"
    ),
}
"""By service, if the topology exists; to declare it, a user must configure `^madang\\.`."""

LIVE_EXCHANGE = Exchange(LIVE, "fanout")
EXCHANGES = (LIVE_EXCHANGE, Exchange(LOG, "direct"))
# RabbitMQ 4 would drop a line after twenty redeliveries by default.
DEAD_QUEUE = Queue(DEAD, {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000})


def stream_name(shard: int) -> str:
    """Return the name of the stream that holds `shard`."""
    return f"{LOG}.{shard}"


def stream(shard: int, retention: Retention) -> Queue:
    """Return the stream of `shard`. RabbitMQ drops whole segments, so they are kept small."""
    arguments: Arguments = {
        "x-queue-type": "stream",
        "x-queue-leader-locator": "balanced",
        "x-max-age": f"{round(retention.seconds)}s",
        "x-max-length-bytes": retention.bytes,
        "x-stream-max-segment-size-bytes": min(_MAX_SEGMENT_BYTES, retention.bytes // _SEGMENTS),
    }
    return Queue(stream_name(shard), arguments, keys=(str(shard),))


def queues(shards: int, retention: Retention) -> list[Queue]:
    """Return all queues in the order of declaration: if the last one exists, all do."""
    return [stream(shard, retention) for shard in reversed(range(shards))] + [DEAD_QUEUE]


def definitions(shards: int, retention: Retention) -> dict[str, list[dict[str, Any]]]:
    """Return the topology as RabbitMQ's definitions, without users and permissions."""
    declared = sorted(queues(shards, retention), key=lambda queue: queue.name)
    return {
        "vhosts": [{"name": VHOST}],
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": VHOST,
                "type": exchange.type,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for exchange in EXCHANGES
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": VHOST,
                "durable": True,
                "auto_delete": False,
                "arguments": queue.arguments,
            }
            for queue in declared
        ],
        "bindings": [
            {
                "source": LOG,
                "vhost": VHOST,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": key,
                "arguments": {},
            }
            for queue in declared
            for key in queue.keys
        ],
    }


def text(shards: int, retention: Retention) -> str:
    """Return `definitions` as indented JSON."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(definitions(shards, retention), option=options).decode()


if __name__ == "__main__":
    fields = CommonSettings.model_fields
    kept = Retention(fields["log_retention_seconds"].default, fields["log_retention_bytes"].default)
    sys.stdout.write(text(fields["log_shards"].default, kept))
