"""Prices of everything a client can repeat, and the allowances to pay them.

    connection   Account: spends a few frames that it has drawn in advance
        │ draws from
        ├─ the connection's own allowance, small before CONNECTED
        ├─ its user's, over all their connections to this gateway
        └─ its address's, whoever connects from there

The unit is the frame: what a small SEND costs this process, about 30 microseconds of a core.
Nothing is free, and what is only known afterwards, such as the length of a resume, may leave a
debt: nothing more is taken until it is paid back. Bytes that are kept for a client are counted
the same way: by connection, user and address.
"""

from dataclasses import dataclass
from enum import Enum, auto

from madang_common.clock import Clock
from madang_common.lru import Lru
from madang_common.token_bucket import Bucket, Rate

UPGRADE = 10.0
"""A request for a WebSocket, accepted or not."""
READ = 0.25
"""Each chunk from the transport, even a single byte."""
BYTE = 1 / 8192
"""Each byte that is received."""
MESSAGE = 0.25
"""A whole WebSocket message."""
CONTROL = 1.0
"""Any other WebSocket frame: ping, pong, close, or a fragment."""
SOCKJS_STRING = 0.25
"""A string of a SockJS message."""
FRAME = 0.5
"""A STOMP frame of any kind, or a heart-beat."""
TOKEN = 4.0
"""The check of a token, in CONNECT, in a SEND or at `/app/token`."""
SUBSCRIBE = 2.0
"""A SUBSCRIBE, on top of its frame; includes the UNSUBSCRIBE."""
RESUME = 2.0
"""The beginning of a resume."""
RESUMED_EVENT = 0.25
"""Each event of a resume."""
HISTORY_PAGE = 20.0
"""A page that is asked of history for a resume."""
REFUSAL = 1.0
"""A refusal, answered and logged."""

_DRAWN = 16.0
"""Frames that an account draws in advance; it looks at the clock no more often than that."""
_REMEMBERED = 50_000
"""Users, and addresses, whose allowance is remembered while they are not connected."""


class Kept(Enum):
    """Whether what is kept for a client is within its bounds."""

    WITHIN = auto()
    SLOW = auto()
    """One connection has too much waiting for it."""
    QUOTA = auto()
    """All connections of its user, or from its address, have too much together."""


@dataclass(frozen=True, slots=True)
class Allowances:
    """How many frames each may spend, and how many bytes may be kept for each."""

    connection: Rate
    user: Rate
    address: Rate
    before_connected: float
    """Frames of one connection before it is let in; they do not come again."""
    connection_bytes: int
    user_bytes: int
    address_bytes: int


class Pool:
    """What all connections of one user, or from one address, have together."""

    __slots__ = ("bucket", "kept")

    def __init__(self, rate: Rate) -> None:
        self.bucket = rate.bucket()
        self.kept = 0
        """Bytes kept for them."""


class _Pools:
    """Pools by the id of a user, or by address."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._pools: Lru[str, Pool] = Lru(_REMEMBERED)

    def of(self, name: str) -> Pool:
        pool = self._pools.get(name)
        if pool is None:
            pool = Pool(self._rate)
            self._pools.put(name, pool)
        return pool


class Budget:
    """The accounts of one gateway."""

    def __init__(self, allowances: Allowances, clock: Clock) -> None:
        """Use a steady `clock`."""
        self.allowances = allowances
        self.before_connected = Rate(0, allowances.before_connected)
        self.clock = clock
        self._users = _Pools(allowances.user)
        self._addresses = _Pools(allowances.address)

    def charge_address(self, address: str, cost: float) -> float:
        """Charge what has no account yet; return 0, or the seconds after which to come back.

        Then nothing was charged.
        """
        bucket = self._addresses.of(address).bucket
        left = bucket.available(self.clock())
        if left < cost:
            return (cost - left) / self.allowances.address.per_second
        bucket.spend(cost)
        return 0.0

    def account(self, address: str) -> "Account":
        """Return the account of a new connection from `address`."""
        return Account(self, self._addresses.of(address))

    def user(self, user: str) -> Pool:
        """Return what the connections of `user` have together."""
        return self._users.of(user)


class Account:
    """What one connection may spend.

    The code that takes something from the client subtracts its cost from `left`, and goes on while
    `left` is at least 1 or `draw` returns True.
    """

    __slots__ = ("_address", "_budget", "_closed", "_own", "_user", "kept", "left")

    def __init__(self, budget: Budget, address: Pool) -> None:
        self._budget = budget
        self._address = address
        self._user: Pool | None = None
        self._own: Bucket = budget.before_connected.bucket()
        self.left = 0.0
        """Frames that were drawn and not spent; less than 0 is a debt."""
        self.kept = 0
        """Bytes kept for the connection."""
        self._closed = False

    def admit(self, user: str) -> None:
        """Switch to the allowances of a connection of `user`."""
        self._user = self._budget.user(user)
        self._own = self._budget.allowances.connection.bucket()
        self._user.kept += self.kept

    def draw(self) -> bool:
        """Draw some frames, and pay a debt; return whether there is one to spend."""
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
        """Charge the user and the address for work that the connection has under way.

        It does not come out of what the connection may send meanwhile.
        """
        now = self._budget.clock()
        for pool in self._pools:
            pool.bucket.available(now)
            pool.bucket.spend(cost)

    @property
    def debt_seconds(self) -> float:
        """Seconds until the user and the address have paid their debts; 0 if they have none."""
        now, allowances = self._budget.clock(), self._budget.allowances
        seconds = -self._address.bucket.available(now) / allowances.address.per_second
        if self._user is not None:
            owed = -self._user.bucket.available(now)
            seconds = max(seconds, owed / allowances.user.per_second)
        return max(0.0, seconds)

    def keep(self, size: int) -> Kept:
        """Count `size` bytes more as kept, or less if negative; return whether that is too much."""
        if self._closed:
            return Kept.WITHIN
        self.kept += size
        for pool in self._pools:
            pool.kept += size
        if size <= 0:
            return Kept.WITHIN
        allowances = self._budget.allowances
        if self.kept > allowances.connection_bytes:
            return Kept.SLOW
        user = 0 if self._user is None else self._user.kept
        if user > allowances.user_bytes or self._address.kept > allowances.address_bytes:
            return Kept.QUOTA
        return Kept.WITHIN

    def close(self) -> None:
        """Give back what was drawn and not spent, and count nothing as kept any more."""
        self.keep(-self.kept)
        self._closed = True
        unspent, self.left = max(0.0, self.left), 0.0
        for pool in self._pools:
            pool.bucket.spend(-unspent)

    @property
    def _pools(self) -> tuple[Pool, ...]:
        return (self._address,) if self._user is None else (self._address, self._user)
