"""The cost of an event for a gateway without subscribers in its room."""

import re
import subprocess
import sys
import time
from collections.abc import Sequence

import httpx

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.figures.port import Goal, Result, Run
from bench.figures.scale import Scale
from bench.foreign import BATCH_LINES, foreign_batch
from bench.machine import Cores, pinned
from bench.server import Server
from bench.targets.madang import Cluster, Madang
from bench.targets.port import Target
from bench.targets.process import ROOT
from madang_common.log.port import Batch
from services.gateway.tests.event_pipeline import EventPipeline

_FOLLOWED = "gateway"
_ALONE = "dispatcher"
_COUNTED = re.compile(r"^madang_gateway_events_total (\S+)$", re.MULTILINE)


def foreign(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Append batches while a gateway consumes the log, and measure its processor time."""
    (target,) = (target for target in targets if isinstance(target, Madang))
    with target.running(cores, deadline) as cluster:
        server = Server(target, cluster)
        server.rest()
        followed = [_follow(cluster, server, scale, deadline) for _ in range(scale.repeats)]
    with pinned(cores.server):
        alone = [_apply(scale) for _ in range(scale.repeats)]
    result = Result(
        figure="foreign",
        label=f"microseconds of gateway per foreign event, in batches of {BATCH_LINES}",
        unit="µs",
        more_is_better=False,
        runs={_FOLLOWED: followed, _ALONE: alone},
        titles={_FOLLOWED: "gateway process", _ALONE: "of it Dispatcher.apply"},
        goals=(Goal(3.0, target=_FOLLOWED),),
        notes=["processor time, from the AMQP connection on; nobody is connected to the gateway"],
    )
    return [result]


def _follow(cluster: Cluster, server: Server, scale: Scale, deadline: Deadline) -> Run:
    counted, used = _events(cluster), server.cpu_seconds()["gateway"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.foreign", cluster.amqp_url, str(scale.foreign_events)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=deadline.left("the publisher"),
        check=False,
    )
    if done.returncode:
        raise BenchError(f"the publisher: {done.stderr}")
    while (seen := _events(cluster) - counted) < scale.foreign_events:
        deadline.pause("the gateway to have seen all events")
    microseconds = (server.cpu_seconds()["gateway"] - used) * 1e6 / seen
    print(f"a foreign event: {microseconds:.2f} µs", file=sys.stderr)
    return Run(microseconds)


def _events(cluster: Cluster) -> int:
    answer = httpx.get(f"http://127.0.0.1:{cluster.port}/metrics")
    found = _COUNTED.search(answer.text)
    if found is None:
        raise BenchError("the gateway does not tell how many events it has seen")
    return int(float(found[1]))


def _apply(scale: Scale) -> Run:
    """Give a dispatcher the same batches, without a broker."""
    core = EventPipeline()
    count = scale.foreign_events // BATCH_LINES
    batches = [Batch(offset, foreign_batch(0, offset)) for offset in range(count)]
    begun = time.process_time()
    for batch in batches:
        core.dispatcher.apply(0, batch)
    return Run((time.process_time() - begun) * 1e6 / (count * BATCH_LINES))
