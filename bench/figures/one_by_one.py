"""A stream without group commit: one confirm per message."""

import subprocess
import sys
from collections.abc import Callable

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.figures.port import Run
from bench.figures.scale import Scale
from bench.machine import Cores, pinned
from bench.targets.process import ROOT
from stack.run import ServerRun
from stack.servers import RabbitMQ

ONE_BY_ONE = "aio-pika one by one"


def one_by_one(scale: Scale, cores: Cores, deadline: Deadline) -> list[Run]:
    """Let a tiny publisher share the server's core with a broker of its own."""
    run = ServerRun.begin()
    try:
        broker = run.private(RabbitMQ, "rabbitmq")
        with pinned(cores.server):
            broker.start()
            return [_run(broker.url, scale, deadline.left) for _ in range(scale.repeats)]
    finally:
        run.end()


def _run(url: str, scale: Scale, left: Callable[[str], float]) -> Run:
    in_flight = scale.senders * scale.sender_in_flight
    arguments = [url, str(in_flight), str(scale.warm_up_seconds), str(scale.seconds)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.publisher", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=left(ONE_BY_ONE),
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{ONE_BY_ONE}: {done.stderr}")
    value = float(done.stdout)
    print(f"{ONE_BY_ONE}: {value:,.0f}/s", file=sys.stderr)
    return Run(value)
