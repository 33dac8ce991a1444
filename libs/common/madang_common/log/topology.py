"""What Madang has in RabbitMQ: exchanges, streams, queues and bindings, by name and shape.

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
"""Fanout exchange of the notices that need not last."""
DEAD = "madang.dead"
"""Quorum queue of the lines that nobody could store, each with the reason."""
VHOST = "madang"

_MOST_SEGMENT_BYTES = 500_000_000
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
    """What a service's own RabbitMQ user needs: patterns of names, as RabbitMQ takes them."""

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
"""By service, where the topology was made beforehand; else somebody configures `^madang\\.`."""

LIVE_EXCHANGE = Exchange(LIVE, "fanout")
EXCHANGES = (LIVE_EXCHANGE, Exchange(LOG, "direct"))
# RabbitMQ 4 would drop a line that was looked at twenty times and put back.
DEAD_QUEUE = Queue(DEAD, {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000})


def stream_name(shard: int) -> str:
    """Return the name of the stream that holds `shard`."""
    return f"{LOG}.{shard}"


def stream(shard: int, retention: Retention) -> Queue:
    """Return the stream of `shard`. RabbitMQ drops whole segments, so they are a small part."""
    arguments: Arguments = {
        "x-queue-type": "stream",
        "x-queue-leader-locator": "balanced",
        "x-max-age": f"{round(retention.seconds)}s",
        "x-max-length-bytes": retention.bytes,
        "x-stream-max-segment-size-bytes": min(_MOST_SEGMENT_BYTES, retention.bytes // _SEGMENTS),
    }
    return Queue(stream_name(shard), arguments, keys=(str(shard),))


def queues(shards: int, retention: Retention) -> list[Queue]:
    """Return what to declare, in this order: the last one being there means that all are."""
    return [stream(shard, retention) for shard in reversed(range(shards))] + [DEAD_QUEUE]


def definitions(shards: int, retention: Retention) -> dict[str, list[dict[str, Any]]]:
    """Return the same for RabbitMQ to load, without users: those are the operator's."""
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
    """Return `definitions` as JSON for people."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(definitions(shards, retention), option=options).decode()


if __name__ == "__main__":
    fields = CommonSettings.model_fields
    kept = Retention(fields["log_retention_seconds"].default, fields["log_retention_bytes"].default)
    sys.stdout.write(text(fields["log_shards"].default, kept))
