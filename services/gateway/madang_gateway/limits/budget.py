"""Rate limits and memory quotas: prices of client requests, and the allowances that pay them.

    Account of a connection   draws a few frames in advance from three token buckets
        ├─ the connection's bucket, small before CONNECTED
        ├─ the user's bucket, shared by all their connections to this gateway
        └─ the address's bucket, shared by all connections from there

The unit is the frame: the cost of a small SEND in this process, about 30 microseconds of a core.
A cost known only afterwards, such as the length of a replay, may leave a debt; nothing more is
read until it is paid back. Bytes buffered for a client are counted by connection, user and address.
"""

from dataclasses import dataclass
from enum import Enum, auto

from madang_common.clock import MonotonicClock
from madang_common.lru import Lru
from madang_common.token_bucket import Bucket, Rate

UPGRADE = 10.0
"""A WebSocket upgrade request, accepted or refused."""
READ = 0.25
"""A chunk from the transport, of any size."""
BYTE = 1 / 8192
"""A received byte."""
MESSAGE = 0.25
"""A complete WebSocket message."""
CONTROL = 1.0
"""Any other WebSocket frame: ping, pong, close or fragment."""
SOCKJS_STRING = 0.25
"""A string in a SockJS message."""
FRAME = 0.5
"""A STOMP frame of any kind, or a heart-beat."""
TOKEN = 4.0
"""Verifying a token of a CONNECT, a SEND or `/app/token`."""
SUBSCRIBE = 2.0
"""A SUBSCRIBE, in addition to its frame; covers the UNSUBSCRIBE."""
RECOVERY = 2.0
"""Starting the recovery of a subscription."""
REPLAYED_EVENT = 0.25
"""A replayed event."""
HISTORY_PAGE = 20.0
"""A page requested from history for a replay."""
REFUSAL = 1.0
"""A refusal, sent and logged."""

_DRAWN = 16.0
"""Frames that an account draws in advance; it reads the clock once per draw."""
_POOLS = 50_000
"""Users, and addresses, whose allowances are cached while they are not connected."""


class BufferQuota(Enum):
    """State of the quotas on bytes buffered for a client."""

    WITHIN = auto()
    CONNECTION_EXCEEDED = auto()
    """The connection has too many bytes buffered."""
    SHARED_EXCEEDED = auto()
    """All connections of its user, or from its address, have too many bytes buffered together."""


@dataclass(frozen=True, slots=True)
class Allowances:
    """Frames that a connection, user and address may spend; bytes buffered for each."""

    connection: Rate
    user: Rate
    address: Rate
    before_connected: float
    """Frames of a connection before CONNECTED; they are not refilled."""
    connection_bytes: int
    user_bytes: int
    address_bytes: int


class Pool:
    """Allowance shared by all connections of a user, or from an address."""

    __slots__ = ("bucket", "buffered")

    def __init__(self, rate: Rate) -> None:
        self.bucket = rate.bucket()
        self.buffered = 0
        """Bytes buffered for these connections."""


class _Pools:
    """Pools by user id or address; LRU."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._pools: Lru[str, Pool] = Lru(_POOLS)

    def of(self, name: str) -> Pool:
        pool = self._pools.get(name)
        if pool is None:
            pool = Pool(self._rate)
            self._pools.put(name, pool)
        return pool


class Budget:
    """Creates the accounts of this gateway's connections and holds their shared pools."""

    def __init__(self, allowances: Allowances, clock: MonotonicClock) -> None:
        self.allowances = allowances
        self.before_connected = Rate(0, allowances.before_connected)
        self.clock = clock
        self._users = _Pools(allowances.user)
        self._addresses = _Pools(allowances.address)

    def charge_address(self, address: str, cost: float) -> float:
        """Charge `address` for a request without an account; return 0.

        If it cannot pay, charge nothing and return the seconds after which to retry.
        """
        bucket = self._addresses.of(address).bucket
        left = bucket.available(self.clock())
        if left < cost:
            return (cost - left) / self.allowances.address.per_second
        bucket.spend(cost)
        return 0.0

    def account(self, address: str) -> "Account":
        """Return an account for a new connection from `address`."""
        return Account(self, self._addresses.of(address))

    def user(self, user: str) -> Pool:
        """Return the pool that all connections of `user` share."""
        return self._users.of(user)


class Account:
    """Allowance of one connection.

    The reader subtracts each cost from `left` and continues while `left` is at least 1 or `draw`
    returns True.
    """

    __slots__ = ("_address", "_budget", "_closed", "_own", "_user", "buffered", "left")

    def __init__(self, budget: Budget, address: Pool) -> None:
        self._budget = budget
        self._address = address
        self._user: Pool | None = None
        self._own: Bucket = budget.before_connected.bucket()
        self.left = 0.0
        """Frames drawn and not spent; a negative number is a debt."""
        self.buffered = 0
        """Bytes buffered for the connection."""
        self._closed = False

    def admit(self, user: str) -> None:
        """Switch to the allowance of an authenticated connection of `user`."""
        self._user = self._budget.user(user)
        self._own = self._budget.allowances.connection.bucket()
        self._user.buffered += self.buffered

    def draw(self) -> bool:
        """Draw frames from the buckets; return whether a frame may be spent now."""
        now = self._budget.clock()
        wanted = _DRAWN - self.left
        own, address, user = self._own, self._address.bucket, self._user
        drawn = min(wanted, own.available(now), address.available(now))
        if user is not None:
            drawn = min(drawn, user.bucket.available(now))
        if drawn > 0:
            own.spend(drawn)
            address.spend(drawn)
            if user is not None:
                user.bucket.spend(drawn)
            self.left += drawn
        return self.left >= 1

    def spend(self, cost: float) -> None:
        """Charge the user and the address for background work of the connection.

        The connection's own allowance for sending is not reduced.
        """
        now = self._budget.clock()
        for pool in self._pools:
            pool.bucket.available(now)
            pool.bucket.spend(cost)

    @property
    def debt_seconds(self) -> float:
        """Seconds until the user and the address have no debt; 0 if they have none now."""
        now, allowances = self._budget.clock(), self._budget.allowances
        seconds = -self._address.bucket.available(now) / allowances.address.per_second
        if self._user is not None:
            owed = -self._user.bucket.available(now)
            seconds = max(seconds, owed / allowances.user.per_second)
        return max(0.0, seconds)

    def add_buffered(self, size: int) -> BufferQuota:
        """Count `size` more buffered bytes (fewer if negative); return the state of the quotas."""
        if self._closed:
            return BufferQuota.WITHIN
        self.buffered += size
        for pool in self._pools:
            pool.buffered += size
        if size <= 0:
            return BufferQuota.WITHIN
        allowances = self._budget.allowances
        if self.buffered > allowances.connection_bytes:
            return BufferQuota.CONNECTION_EXCEEDED
        user = 0 if self._user is None else self._user.buffered
        if user > allowances.user_bytes or self._address.buffered > allowances.address_bytes:
            return BufferQuota.SHARED_EXCEEDED
        return BufferQuota.WITHIN

    def close(self) -> None:
        """Return unspent frames to the shared pools and stop counting buffered bytes."""
        self.add_buffered(-self.buffered)
        self._closed = True
        unspent, self.left = max(0.0, self.left), 0.0
        for pool in self._pools:
            pool.bucket.spend(-unspent)

    @property
    def _pools(self) -> tuple[Pool, ...]:
        return (self._address,) if self._user is None else (self._address, self._user)
