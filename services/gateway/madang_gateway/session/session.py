"""One client's STOMP session: what its frames do, in the order in which they came."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import structlog
from typing_extensions import override

from madang_common.ids import next_id
from madang_common.log.position import to_id
from madang_common.problems import (
    InvalidRequest,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from madang_common.tokens.claims import Claims
from madang_common.tokens.verifier import TokenVerifier
from madang_gateway.fanout.recipient import Recipient
from madang_gateway.limits import budget
from madang_gateway.limits.budget import Account, Kept
from madang_gateway.metrics import Metrics
from madang_gateway.protocol.destinations import TOKEN, Source
from madang_gateway.protocol.stomp import events as stomp
from madang_gateway.protocol.stomp.connection import ServerConnection
from madang_gateway.protocol.stomp.errors import ProtocolError
from madang_gateway.protocol.stomp.frame import HeartBeat
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.negotiation import HeartBeats
from madang_gateway.publish.command import own_token, read_send
from madang_gateway.publish.interceptors import check_same_user, too_large
from madang_gateway.publish.sender import Sender
from madang_gateway.refusals import Refusals
from madang_gateway.session import disconnects
from madang_gateway.session.disconnects import Disconnect
from madang_gateway.session.frame_queue import FrameQueue, Pending
from madang_gateway.session.registry import SessionRegistry
from madang_gateway.session.replies import Replies
from madang_gateway.session.transport import Transport
from madang_gateway.settings import GatewaySettings
from madang_gateway.subscribe.acks import Acks
from madang_gateway.subscribe.subscriber import Subscriber, Subscribing
from madang_gateway.subscribe.subscription import Subscription

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sessions of a gateway share."""

    settings: GatewaySettings
    limits: Limits
    verifier: TokenVerifier
    sender: Sender
    subscriber: Subscriber
    users: "SessionRegistry[Session]"
    refusals: Refusals
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Oversized:
    """A SEND whose body is too large to be kept, or parsed."""

    receipt: str | None


_Taken = stomp.Event | ProtocolError | Oversized
_FRAME_BYTES = 512
"""What a frame takes in memory beside its headers and its body."""
_SLOW = {
    "unread": "You read too slowly.",
    "unacknowledged": "You acknowledge too slowly.",
    "untaken": "You send more than can be kept for you.",
}
"""What is told when too much is kept, by cause."""
_LASTING = (stomp.Send, stomp.Commit)
"""What is done though its client is gone."""


class Session(Subscribing):
    """Acts on one frame at a time.

    What can be answered at once is; when a frame has to wait for something, those behind it wait
    too, and past a limit reading stops.
    """

    __slots__ = (
        "_account",
        "_acks",
        "_answers",
        "_backlog_full",
        "_began_at",
        "_claims",
        "_closed",
        "_farewell",
        "_gone",
        "_in_flight",
        "_in_order",
        "_link",
        "_resting",
        "_retiring",
        "_shared",
        "_stomp",
        "_subscriptions",
        "id",
        "uncounted",
    )

    def __init__(self, shared: Shared, link: Transport, account: Account) -> None:
        """Speak over `link`, and charge `account` for it."""
        offer = int(shared.settings.heartbeat_seconds * 1000)
        self.id = next_id()
        self._began_at = time.monotonic()
        self._shared = shared
        self._link = link
        self._account = account
        self._stomp = ServerConnection(shared.limits, link.versions, (offer, offer))
        self._answers = Replies(self._stomp, link)
        self._claims: Claims | None = None
        self._subscriptions: dict[str, Subscription] = {}
        settings = shared.settings
        self._in_order: FrameQueue[_Taken] = FrameQueue(
            settings.backlog_frames, settings.backlog_bytes
        )
        self._in_flight = 0
        """Sends whose outcome is not known yet."""
        self._farewell: stomp.Disconnect | None = None
        self._retiring: Disconnect | None = None
        self._gone = False
        """Whether the client went, and was not sent away."""
        self._acks: Acks | None = None
        self._backlog_full = False
        self.uncounted = False
        """Whether `unread_bytes` may have changed since somebody looked at it."""
        self._resting = False
        """Whether nothing is read until there is an allowance again."""
        self._closed = False

    @property
    @override
    def recipient(self) -> Recipient:
        return self._link

    @property
    @override
    def claims(self) -> Claims:
        if self._claims is None:
            raise Unauthenticated("Send CONNECT first.")
        return self._claims

    @property
    def user(self) -> str:
        """Id of its user; empty before CONNECT."""
        return "" if self._claims is None else self._claims.subject

    @property
    @override
    def version(self) -> str:
        return self._stomp.version or ""

    @property
    @override
    def closed(self) -> bool:
        return self._closed

    @property
    def heartbeat(self) -> HeartBeats:
        """Milliseconds between heart-beats, as agreed on with the client."""
        return self._stomp.heartbeat

    # What the connection calls.

    @property
    def unread_bytes(self) -> int:
        """Bytes that wait here: to be taken, for the rest of their frame, or in a transaction."""
        return self._stomp.unread_bytes

    def receive(self, data: bytes) -> None:
        """Take what the peer sent; leave for later what comes faster than it may."""
        claims, account = self._claims, self._account
        if claims is not None and claims.expires_at <= time.time():
            # Not a moment longer, whenever the next tick is.
            self._check_time()
            return
        if account.left >= 1 and not self._backlog_full and self._retiring is None:
            send = self._stomp.receive_send(data)
            if send is not None:
                account.left -= budget.FRAME
                self._in_order.take(self, send)
                return
        self.uncounted = True
        try:
            # What is not taken from here comes with the next call.
            events = self._stomp.receive(data)
            while self._may_take():
                event = next(events, None)
                if event is None:
                    return
                account.left -= budget.FRAME
                if not isinstance(event, HeartBeat):
                    self._in_order.take(self, event)
        except ProtocolError as error:
            self._in_order.take(self, error)

    def rest(self) -> None:
        """Read nothing until the allowance is back; let go of a peer that is not let in yet."""
        if self._closed or self._resting:
            return
        if self._claims is None and not self._in_order.busy:
            self._turn_away(TooManyRequests("Too much came before CONNECT."))
            return
        self._resting = True
        self._shared.metrics.rests.inc()
        self._link.pause_reading()

    def over_quota(self, kept: Kept, cause: str) -> None:
        """Close: too much is kept for the client, the last of it for `cause`."""
        if self._closed:
            return
        if kept is Kept.SLOW:
            self._shared.metrics.slow_closes.labels(cause).inc()
            self.end(Unavailable(_SLOW[cause]), disconnects.SLOW_CONSUMER)
        else:
            self._shared.metrics.slow_closes.labels("quota").inc()
            problem = Unavailable("Too much waits for your connections; read faster.")
            self.end(problem, disconnects.OVER_QUOTA)

    def tick(self) -> None:
        """Do what is due."""
        self._check_time()
        if self._resting and self._account.draw():
            self._resting = False
            self.go_on_reading()
        if self._acks is not None and not self._closed:
            self._acks.tick()

    def _may_take(self) -> bool:
        """Tell whether another frame may be taken; rest if the allowance is used up."""
        if self._backlog_full or self._resting or self._retiring is not None:
            return False
        account = self._account
        if account.left >= 1 or account.draw():
            return True
        self.rest()
        return False

    def _check_time(self) -> None:
        """Close the connection if its CONNECT is overdue or its token has expired."""
        if self._closed:
            return
        if self._claims is None:
            if time.monotonic() - self._began_at > self._shared.settings.connect_seconds:
                self.end(
                    Unauthenticated("No CONNECT came in time; connect again."),
                    disconnects.CONNECT_TIMEOUT,
                )
        elif self._claims.expires_at <= time.time():
            self.end(
                Unauthenticated("The token has expired. Refresh it, or log in again."),
                disconnects.TOKEN_EXPIRED,
            )

    def end(self, cause: Problem | ProtocolError, why: Disconnect) -> None:
        """Tell the client with an ERROR why this is the end, and close."""
        self._answers.error(cause)
        self.close(why)

    def close(self, why: Disconnect | None) -> None:
        """End everything, and close the connection unless it is gone already (None)."""
        if self._closed:
            return
        self._closed = True
        if self._acks is not None:
            self._acks.tick()
        for subscription_id in list(self._subscriptions):
            self._drop(subscription_id)
        if self._claims is not None:
            self._shared.users.remove(self)
        self._stomp.close()
        if why is not None:
            self._link.close(why)

    def retire(self, why: Disconnect) -> None:
        """Take nothing more, and close once all that was taken is answered."""
        if not self._closed:
            self._retiring = why
            self._link.pause_reading()
            self._leave_if_done()

    def closed_by_link(self, code: int) -> None:
        """Let go of everything: the connection is gone.

        If the client went, what it had sent before is still done, as STOMP 1.2 says of RECEIPT.
        """
        self._gone = not self._closed
        if not self._gone:
            self._in_order.cancel()
        self.close(None)
        self._acks = None
        if self._claims is not None:
            seconds = round(time.monotonic() - self._began_at, 3)
            log.info(
                "session_closed", session_id=self.id, user_id=self.user, code=code, seconds=seconds
            )

    def leave_room(self, room: str) -> None:
        """End the subscriptions to `room`, whose member the user no longer is."""
        for subscription in list(self._subscriptions.values()):
            if subscription.topic.room == room:
                self._stomp.end_subscription(subscription.id)
                self._drop(subscription.id)
        if self._acks is not None:
            self._acks.leave(room)

    # What subscriptions need.

    @override
    def receipt(self, receipt_id: str | None, headers: Mapping[str, str]) -> None:
        self._answers.receipt(receipt_id, headers)

    @override
    def following(self, room: str) -> int:
        return sum(held.topic.room == room for held in self._subscriptions.values())

    @override
    def hold(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.id] = subscription
        if subscription.topic.source is Source.ERRORS:
            self._answers.errors = subscription.shape

    @override
    def refuse_subscription(
        self, subscription: str, problem: Problem, receipt_id: str | None
    ) -> None:
        self._stomp.end_subscription(subscription)
        self._drop(subscription)
        self._refuse(problem, receipt_id, subscription=subscription)

    @override
    def keep_unacknowledged(self, size: int) -> bool:
        return self._keep(size, "unacknowledged")

    def _keep(self, size: int, cause: str) -> bool:
        """Count `size` bytes as kept; return whether they may be, and close soon if not."""
        kept = self._account.keep(size)
        if kept is Kept.WITHIN:
            return True
        # Not at once: the roster, or what was received, is being gone through.
        asyncio.get_running_loop().call_soon(self.over_quota, kept, cause)
        return False

    @override
    def charge(self, cost: float) -> None:
        self._account.spend(cost)

    @property
    @override
    def debt_seconds(self) -> float:
        return self._account.debt_seconds

    @override
    async def drained(self) -> None:
        await self._link.drained()

    # One frame after the other.

    def handle(self, taken: _Taken) -> Pending:
        """Act on one frame, or on the mistake that ends them."""
        if self._closed and not (self._gone and self._claims and isinstance(taken, _LASTING)):
            return None
        if isinstance(taken, ProtocolError):
            self._shared.refusals.note_mistake(
                "protocol-error", taken.detail, self.user, session=self.id
            )
            self.end(taken, disconnects.PROTOCOL_ERROR)
            return None
        return self._HANDLERS[type(taken)](self, taken)

    def failed(self, error: Exception) -> None:
        """Close: a frame brought something that nobody expected."""
        log.error("session_failed", session_id=self.id, exc_info=error)
        self.end(Problem(), disconnects.INTERNAL)

    def queued(self, taken: _Taken) -> tuple[_Taken, int]:
        """Count a frame that has to wait as kept; keep no body that will be refused."""
        limit = self._shared.settings.message_bytes
        if isinstance(taken, stomp.Send) and len(taken.body) > limit:
            taken = Oversized(taken.receipt)
        size = _size(taken)
        self._keep(size, "untaken")
        return taken, size

    def backlog_full(self) -> None:
        """Take no more frames for now."""
        self._backlog_full = True
        self._link.pause_reading()

    def backlog_done(self, size: int) -> None:
        """Go on taking frames."""
        self._account.keep(-size)
        self._backlog_full = False
        self.go_on_reading()
        self._leave_if_done()

    def go_on_reading(self) -> None:
        """Let the connection take more, unless something is still to be waited for."""
        if not self._backlog_full and not self._resting and self._retiring is None:
            self._link.resume_reading()

    def _connect(self, frame: stomp.Connect) -> Pending:
        headers = frame.headers
        token = own_token(headers) or headers.get("token") or frame.passcode
        self._account.left -= budget.TOKEN
        try:
            if not token:
                raise Unauthenticated("CONNECT needs an Authorization header with an access token.")
            claims = self._shared.verifier.verify_now(token)
            if claims is None:
                return self._connect_later(token)
            self._welcome(claims)
        except Problem as problem:
            self._turn_away(problem)
        return None

    async def _connect_later(self, token: str) -> None:
        try:
            self._welcome(await self._shared.verifier.verify(token))
        except Problem as problem:
            self._turn_away(problem)

    def _welcome(self, claims: Claims) -> None:
        if self._closed:
            return
        users = self._shared.users
        if len(users.sessions(claims.subject)) >= self._shared.settings.connections_per_user:
            raise TooManyRequests("You have too many connections; close one.")
        self._claims = claims
        users.add(self)
        self._account.admit(claims.subject)
        if self._resting and self._account.draw():
            self._resting = False
        self._answers.connected(self.id, claims.subject)
        log.info("session_opened", session_id=self.id, user_id=self.user, version=self.version)

    def _turn_away(self, problem: Problem) -> None:
        self._shared.refusals.note(problem, user=self.user, session=self.id)
        self.end(problem, disconnects.because_of(problem))

    def _send(self, frame: stomp.Send) -> Pending:
        if frame.destination == TOKEN:
            return self._renew(frame)
        if len(frame.body) > self._shared.settings.message_bytes:
            # Before it is parsed, which takes far longer than to receive it.
            self._refuse_oversized(Oversized(frame.receipt))
            return None
        self._in_flight += 1
        try:
            outgoing = read_send(frame, with_aliases=self._shared.settings.destination_aliases)
        except Problem as problem:
            self._sent(frame.receipt, "", problem)
            return None
        if outgoing is None:
            self._sent(frame.receipt, "", None)
            return None
        if outgoing.token is not None:
            self._account.left -= budget.TOKEN
        outcome = partial(self._sent, frame.receipt, outgoing.room)
        return self._shared.sender.send(self.claims, outgoing, outcome)

    def _sent(self, receipt_id: str | None, room: str, result: int | Problem | None) -> None:
        self._in_flight -= 1
        if isinstance(result, Problem):
            self._refuse(result, receipt_id, room=room)
        elif receipt_id is not None:
            headers = {} if result is None else {"message-id": to_id(result)}
            self._answers.receipt(receipt_id, headers)
        self._leave_if_done()

    async def _renew(self, frame: stomp.Send) -> None:
        self._account.left -= budget.TOKEN
        try:
            token = own_token(frame.headers) or frame.body.decode().strip()
            claims = await self._shared.verifier.verify(token)
            check_same_user(self.claims, claims)
        except UnicodeDecodeError:
            self._refuse(InvalidRequest("The body must be a token."), frame.receipt)
        except Problem as problem:
            self._refuse(problem, frame.receipt)
        else:
            self._claims = claims
            self._answers.receipt(frame.receipt, {})

    def _subscribe(self, frame: stomp.Subscribe) -> Pending:
        self._account.left -= budget.SUBSCRIBE
        if "since" in frame.headers:
            self._account.left -= budget.RESUME
        return self._shared.subscriber.open(self, frame)

    def _unsubscribe(self, frame: stomp.Unsubscribe) -> None:
        self._drop(frame.id)
        self._answers.receipt(frame.receipt, {})

    def _refuse_oversized(self, frame: Oversized) -> None:
        self._refuse(too_large(self._shared.settings.message_bytes), frame.receipt)

    async def _commit(self, frame: stomp.Commit) -> None:
        try:
            found = [self._answering.find(ack) for ack in frame.acks]
            with_aliases = self._shared.settings.destination_aliases
            limit = self._shared.settings.message_bytes
            if any(len(send.body) > limit for send in frame.sends):
                raise too_large(limit)
            read = [read_send(send, with_aliases=with_aliases) for send in frame.sends]
            sends = [outgoing for outgoing in read if outgoing is not None]
            tokens = sum(send.token is not None for send in sends)
            self._account.left -= tokens * budget.TOKEN
            await self._shared.sender.send_together(self.claims, sends)
        except Problem as problem:
            self._refuse(problem, frame.receipt, transaction=frame.transaction)
            return
        for ack, answered in zip(frame.acks, found, strict=True):
            self._answering.settle(answered, consumed=not ack.nack)
        self._answers.receipt(frame.receipt, {})

    def _acknowledge(self, frame: stomp.Ack) -> None:
        try:
            answered = self._answering.find(frame)
        except Problem as problem:
            self._refuse(problem, frame.receipt)
            return
        self._answering.settle(answered, consumed=not frame.nack)
        self._answers.receipt(frame.receipt, {})

    @property
    def _answering(self) -> Acks:
        if self._acks is None:
            self._acks = Acks(self._subscriptions, self._stomp.ended, self._tell_read)
        return self._acks

    def _tell_read(self, room: str, position: int) -> None:
        self._shared.sender.mark_read(self.claims, room, to_id(position))

    def _receive_only(self, frame: stomp.Begin | stomp.Abort | stomp.Held) -> None:
        """Answer a frame about which there is nothing more to do here."""
        self._answers.receipt(frame.receipt, {})

    def _disconnect(self, frame: stomp.Disconnect) -> None:
        self._farewell = frame
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        """Close when the client has said good-bye, or has to go, and all before is answered."""
        if self._in_flight or self._closed:
            return
        if self._farewell is not None:
            self._answers.receipt(self._farewell.receipt, {})
            self.close(disconnects.DISCONNECTED)
        elif self._retiring is not None and not self._in_order.busy:
            self.close(self._retiring)

    def _refuse(
        self, problem: Problem, receipt_id: str | None, *, room: str = "", **context: str
    ) -> None:
        """Tell of a refusal; it costs the connection of a client that does not listen for them."""
        if self._closed:
            return
        self._account.left -= budget.REFUSAL
        self._shared.refusals.note(
            problem, user=self.user, room=room, session=self.id, receipt=receipt_id
        )
        if not self._answers.refusal(problem, receipt_id, **context):
            self._answers.error(problem, receipt_id)
            self.close(disconnects.because_of(problem))

    def _drop(self, subscription_id: str) -> None:
        subscription = self._subscriptions.pop(subscription_id, None)
        if subscription is not None:
            self._shared.subscriber.end(self, subscription)
            if self._answers.errors is subscription.shape:
                left = self._subscriptions.values()
                others = [other.shape for other in left if other.topic.source is Source.ERRORS]
                self._answers.errors = others[-1] if others else None

    _HANDLERS: ClassVar[Mapping[type, Callable[..., Pending]]] = {
        stomp.Connect: _connect,
        stomp.Send: _send,
        Oversized: _refuse_oversized,
        stomp.Held: _receive_only,
        stomp.Subscribe: _subscribe,
        stomp.Unsubscribe: _unsubscribe,
        stomp.Ack: _acknowledge,
        stomp.Begin: _receive_only,
        stomp.Commit: _commit,
        stomp.Abort: _receive_only,
        stomp.Disconnect: _disconnect,
    }


def _size(taken: _Taken) -> int:
    """Return roughly how many bytes a frame takes that has to wait."""
    if isinstance(taken, ProtocolError | Oversized | HeartBeat):
        return _FRAME_BYTES
    body = len(taken.body) if isinstance(taken, stomp.Send) else 0
    headers = {} if isinstance(taken, stomp.Held) else taken.headers
    return _FRAME_BYTES + body + sum(len(name) + len(value) for name, value in headers.items())
