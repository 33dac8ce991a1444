"""Requests per second of the most used REST route of each service, beside a bare FastAPI route."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.figures.port import MEASURED, Goal, Result, Run
from bench.figures.scale import Scale
from bench.figures.throughput import run_of
from bench.http import MARK, request
from bench.machine import Cores
from bench.server import Server
from bench.targets.port import TEXT, Demand, Target
from bench.targets.rest import Bare, OneService, People, RestCluster, rest_cluster
from bench.virtual_client import ClientGroup, Line, VirtualClient

_TITLES = {MEASURED: "Madang", Bare.name: "bare FastAPI"}

_Request = Callable[[People, int, str], bytes]
"""Returns the request of a user, by number, to a host."""


@dataclass(frozen=True, slots=True)
class _Route:
    """A route of a service, and the one of the bare FastAPI with the same query."""

    figure: str
    label: str
    service: str
    ours: _Request
    bare: _Request
    goal: float | None = None
    """Requests per second to reach."""
    least_seconds: float = 0.0
    """Shortest window: a login takes a password hash, so there are few in a second."""

    def window(self, scale: Scale) -> Scale:
        """Return `scale` with the window of this route."""
        return replace(scale, seconds=max(scale.seconds, self.least_seconds))


def _get(path: str) -> _Request:
    def built(people: People, user: int, host: str) -> bytes:
        account = people.accounts[user]
        target = path.format(room=people.room_of(user), user=account.id)
        return request("GET", target, host=host, headers=account.headers)

    return built


def _send(path: str) -> _Request:
    def built(people: People, user: int, host: str) -> bytes:
        target = path.format(room=people.room_of(user))
        headers = people.accounts[user].headers
        return request("POST", target, host=host, headers=headers, document={"text": TEXT})

    return built


def _login(path: str) -> _Request:
    def built(people: People, user: int, host: str) -> bytes:
        document = {"username": people.accounts[user].username, "password": people.password}
        return request("POST", path, host=host, document=document)

    return built


_ROUTES = (
    _Route(
        "page",
        "pages of 50 messages/s (history)",
        "history",
        _get("/api/history/v1/rooms/{room}/events"),
        _get("/rooms/{room}/messages"),
        goal=600,
    ),
    _Route(
        "my-rooms",
        "lists of my rooms/s (rooms)",
        "rooms",
        _get("/api/rooms/v1/rooms"),
        _get("/users/{user}/rooms"),
        goal=900,
    ),
    _Route(
        "room",
        "rooms/s, one in each request (rooms)",
        "rooms",
        _get("/api/rooms/v1/rooms/{room}"),
        _get("/users/{user}/rooms/{room}"),
        goal=1200,
    ),
    _Route(
        "rest-sends",
        "messages sent over REST/s (gateway)",
        "gateway",
        _send("/api/gateway/v1/rooms/{room}/messages"),
        _send("/rooms/{room}/messages"),
        goal=2000,
    ),
    _Route(
        "logins",
        "logins/s (auth)",
        "auth",
        _login("/api/auth/v1/login"),
        _login("/login"),
        least_seconds=4,
    ),
)


def rest(targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline) -> list[Result]:
    """Let clients request one route of one service at a time, in turn with the bare route."""
    (target,) = targets
    demand = Demand(
        rooms=2 * scale.rest_rooms, members=scale.rest_clients // 2, users=scale.rest_clients
    )
    with rest_cluster(cores) as cluster:
        people = cluster.prepare(demand, scale.rest_messages, deadline)
        return [
            _measure(cluster, route, people, target, scale, cores, deadline) for route in _ROUTES
        ]


def _measure(
    cluster: RestCluster,
    route: _Route,
    people: People,
    target: Target,
    scale: Scale,
    cores: Cores,
    deadline: Deadline,
) -> Result:
    runs: dict[str, list[Run]] = {MEASURED: [], Bare.name: []}
    for _ in range(scale.repeats):
        for name, service, built in (
            (MEASURED, route.service, route.ours),
            (Bare.name, Bare.name, route.bare),
        ):
            with cluster.measured(service, cores) as running:
                server, group = Server(target, running), _group(people, built, running, scale)
                run = run_of(server, group, route.window(scale), cores, deadline)
            if not run.value:
                raise BenchError(f"{_TITLES[name]} answered no request of {route.figure}")
            runs[name].append(run)
            told = f"{run.value:,.0f}/s, {run.microseconds or 0:,.0f} µs each"
            print(f"{route.figure}, {_TITLES[name]}: {told}", file=sys.stderr)
    return Result(
        figure=route.figure,
        label=route.label,
        unit="requests/s",
        more_is_better=True,
        runs=runs,
        titles=_TITLES,
        goals=() if route.goal is None else (Goal(route.goal),),
        notes=[f"{scale.rest_clients} clients, a user each, one request at a time"],
    )


def _group(people: People, built: _Request, running: OneService, scale: Scale) -> ClientGroup:
    host = f"127.0.0.1:{running.port}"
    clients = [
        VirtualClient((), (Line.of(built(people, user, host)),), in_flight=1)
        for user in range(scale.rest_clients)
    ]
    return ClientGroup(tuple(clients), mark=MARK, copies=1)
