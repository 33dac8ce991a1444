"""How much of everything."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a run."""

    repeats: int = 3
    """Runs that each target gets at a throughput, in alternation; the median counts."""
    warm_up_seconds: float = 1.0
    seconds: float = 3.0
    """Length of the window in which frames are counted."""
    subscribers: int = 500
    subscriber_in_flight: int = 4
    rooms: int = 100
    room_subscribers: int = 10
    room_senders: int = 20
    connections: int = 10_000
    warm_up_connections: int = 100
    """Connections that are open before the measured ones, so that only the measured ones count."""
    senders: int = 100
    sender_in_flight: int = 20
    paced_connections: int = 1000
    paced_per_second: int = 1000
    """Messages of all of them together, where they keep to a schedule."""
    paced_seconds: float = 10.0
    connects: int = 4000
    connecting: int = 200
    """Connections that are being opened at the same time."""
    foreign_events: int = 100_000
    ingest_events: int = 100_000
    page_small_room: int = 1000
    page_large_room: int = 1_000_000
    page_reads: int = 500
    curve_subscribers: tuple[int, ...] = (10, 100, 1000, 10_000)
    curve_rooms: tuple[int, ...] = (10, 100, 1000, 10_000, 100_000)
    curve_connections: int = 100
    """Most connections that share the rooms of a curve."""
    curve_in_flight: int = 100
    """Messages unfinished on all of these together."""
    rest_clients: int = 16
    """Clients of a REST route, each with a user."""
    rest_rooms: int = 20
    """Rooms of each of these users."""
    rest_messages: int = 200
    """Messages in each of these rooms."""
    users: int = 20
    """Accounts; connections take turns with them, since a login costs a password hash."""
    processes: int = 2
    """Processes of the load generator per role."""
    figure_seconds: float = 600.0
    """Longest that one figure may take."""


FULL = Scale()
SHORT = Scale(
    repeats=1,
    warm_up_seconds=0.2,
    seconds=0.5,
    subscribers=20,
    rooms=10,
    room_subscribers=4,
    room_senders=2,
    connections=200,
    warm_up_connections=20,
    senders=10,
    paced_connections=40,
    paced_per_second=200,
    paced_seconds=0.5,
    connects=100,
    connecting=20,
    foreign_events=4000,
    ingest_events=2000,
    page_small_room=200,
    page_large_room=1000,
    page_reads=20,
    curve_subscribers=(5, 20),
    curve_rooms=(5, 50),
    curve_connections=5,
    curve_in_flight=10,
    rest_clients=4,
    rest_rooms=2,
    rest_messages=60,
    users=4,
)
"""Seconds instead of minutes: shows that the bench works, and no more."""
