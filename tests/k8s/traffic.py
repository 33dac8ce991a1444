"""Traffic while the cluster changes: messages and REST requests, checked to the last one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from tests.k8s.figures import Traffic
from tests.k8s.requests import Requests, requesting
from tests.support.load_clients import LoadClients, load_clients
from tests.support.trust import trusting

_PEOPLE = 8
_ROOMS = 2


@asynccontextmanager
async def under_traffic(
    url: str, ca: Path, per_second: int, traffic: Traffic
) -> AsyncIterator[LoadClients]:
    """Yield clients that send at a rate; at the end fill in `traffic` and check the messages."""
    with trusting(ca):
        async with load_clients(url, people=_PEOPLE, rooms=_ROOMS) as clients:
            requests = Requests(url, clients.members)
            try:
                async with requesting(requests):
                    clients.send_at_rate(per_second)
                    await clients.acknowledge(2 * per_second)
                    for client in clients.members:
                        client.longest_silence = 0.0
                    yield clients
                    await clients.acknowledge(2 * per_second)
                    await clients.stop_sending()
                await clients.settle()
            finally:
                traffic.requests, traffic.failures = requests.sent, dict(requests.failures)
                _measure(clients, traffic)
            await clients.check()


def _measure(clients: LoadClients, traffic: Traffic) -> None:
    """Count what each client has against what was acknowledged to any."""
    traffic.sent, traffic.acknowledged = clients.sent, clients.acknowledged
    said: dict[str, set[str]] = {}
    for client in clients.members:
        for room, texts in client.acknowledged.items():
            said.setdefault(room, set()).update(texts.values())
    for client in clients.members:
        traffic.longest_silence = max(traffic.longest_silence, client.longest_silence)
        for room, ids in said.items():
            heard = [event.id for event in client.received[room]]
            traffic.lost += len(ids - set(heard))
            traffic.duplicates += len(heard) - len(set(heard))
            traffic.out_of_order += sum(later < earlier for earlier, later in pairwise(heard))
