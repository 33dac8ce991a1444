"""One client's STOMP session: its life cycle and the handlers of its frames.

    CONNECTING ──CONNECT accepted──▶ CONNECTED ──disconnect()──▶ closed ──connection_lost()──▶ gone
        └────────────── refused, or not in time ───────────────────┘

A frame whose handler awaits blocks those behind it; at a limit, reading pauses. `disconnects`
defines the terms for the end of a session.
"""

import time
from collections.abc import Callable, Mapping
from typing import ClassVar

import structlog
from typing_extensions import override

from madang_common.ids import next_id
from madang_common.log.position import to_id
from madang_common.problems import Problem, TooManyRequests, Unauthenticated
from madang_common.tokens.claims import Claims
from madang_gateway.limits import budget
from madang_gateway.limits.budget import Account
from madang_gateway.protocol.destinations import TOKEN, room_of_send
from madang_gateway.protocol.stomp import events as stomp
from madang_gateway.protocol.stomp.errors import ProtocolError
from madang_gateway.publish.interceptors import too_large
from madang_gateway.refusals import PROTOCOL_ERROR
from madang_gateway.session import disconnects
from madang_gateway.session.buffering import Buffered, Oversized, Received
from madang_gateway.session.context import SessionContext
from madang_gateway.session.disconnects import Disconnect
from madang_gateway.session.frame_queue import Pending
from madang_gateway.session.receiver import FrameReceiver
from madang_gateway.session.replies import Replies
from madang_gateway.session.transport import SessionOutput, Transport
from madang_gateway.subscribe.acks import Acknowledged
from madang_gateway.subscribe.subscription_set import SubscriptionSet

log = structlog.get_logger()

_LASTING = (stomp.Send, stomp.Commit)
"""Frames handled even after their client has closed the connection (STOMP 1.2, RECEIPT)."""


class Session(FrameReceiver):
    """Handles the frames of one client."""

    __slots__ = (
        "_began_at",
        "_client_left",
        "_disconnect_frame",
        "_disconnect_when_done",
        "_replies",
        "_sends_in_flight",
        "id",
        "output",
        "subscriptions",
    )

    def __init__(
        self, context: SessionContext, transport: Transport, output: SessionOutput, account: Account
    ) -> None:
        super().__init__(context, transport, account)
        self.id = next_id()
        self.output = output
        self.subscriptions = SubscriptionSet(self.stomp)
        self._began_at = time.monotonic()
        self._replies = Replies(self.stomp, output)
        self._sends_in_flight = 0
        self._disconnect_frame: stomp.Disconnect | None = None
        self._disconnect_when_done: Disconnect | None = None
        self._client_left = False
        """Whether the client closed the connection, not the gateway."""

    @property
    def claims(self) -> Claims:
        """The claims of the user; raises Unauthenticated before CONNECT."""
        if self._claims is None:
            raise Unauthenticated("Send CONNECT first.")
        return self._claims

    @property
    def user(self) -> str:
        """Id of the user; empty before CONNECT."""
        return "" if self._claims is None else self._claims.subject

    @property
    def version(self) -> str:
        """The negotiated STOMP version; empty before CONNECT."""
        return self.stomp.version or ""

    def tick(self) -> None:
        """Check deadlines, resume reading after throttling, publish read markers."""
        self.check_deadlines()
        if self._unthrottle():
            self.resume_reading()
        if not self.closed:
            self._publish_read_markers()

    @override
    def check_deadlines(self) -> None:
        """Disconnect if CONNECT is overdue or the token has expired."""
        if not self.closed:
            overdue = self._context.authentication.overdue(self._claims, self._began_at)
            if overdue is not None:
                self.disconnect(*overdue)

    @override
    def disconnect(self, why: Disconnect, error: Problem | ProtocolError | None = None) -> None:
        """Send the client the reason, with an ERROR frame if `error` is given, and close."""
        if error is not None:
            self._replies.error(error)
        if not self.closed:
            self._close()
            self._transport.send_close(why)

    def disconnect_when_done(self, why: Disconnect) -> None:
        """Read no more frames; disconnect once everything received is answered."""
        if not self.closed:
            self._disconnect_when_done = why
            self._stop_reading()
            self.disconnect_if_done()

    def connection_lost(self, code: int) -> None:
        """Release everything: the connection was closed with `code`.

        SENDs received before are still published if the client closed the connection.
        """
        self._client_left = not self.closed
        if self._client_left:
            self._close()
        else:
            self._frame_queue.cancel()
        if self._claims is not None:
            seconds = round(time.monotonic() - self._began_at, 3)
            log.info(
                "session_closed", session_id=self.id, user_id=self.user, code=code, seconds=seconds
            )

    def _close(self) -> None:
        """Release the subscriptions and the place in the registry."""
        self.closed = True
        self._publish_read_markers()
        for subscription_id in list(self.subscriptions.by_id):
            self._end_subscription(subscription_id)
        if self._claims is not None:
            self._context.registry.remove(self)
        self.stomp.close()

    @override
    def disconnect_if_done(self) -> None:
        """Disconnect after DISCONNECT, or a drain, once everything before it is answered."""
        if self._sends_in_flight or self.closed:
            return
        if self._disconnect_frame is not None:
            self.receipt(self._disconnect_frame.receipt, {})
            self.disconnect(disconnects.DISCONNECTED)
        elif self._disconnect_when_done is not None and not self._frame_queue.busy:
            self.disconnect(self._disconnect_when_done)

    @override
    def handle(self, frame: Received) -> Pending:
        """Handle one frame, or the protocol error after the last."""
        if self.closed and not (self._client_left and self._claims and isinstance(frame, _LASTING)):
            return None
        if isinstance(frame, ProtocolError):
            self._context.refusals.note_error(
                PROTOCOL_ERROR,
                frame.detail,
                self.user,
                session=self.id,
                receipt=frame.receipt_id,
            )
            self.disconnect(disconnects.PROTOCOL_ERROR, frame)
            return None
        return self._HANDLERS[type(frame)](self, frame)

    @override
    def failed(self, error: Exception) -> None:
        """Disconnect after an unexpected exception."""
        log.error("session_failed", session_id=self.id, exc_info=error)
        self.disconnect(disconnects.INTERNAL, Problem())

    def _connect(self, frame: stomp.Connect) -> Pending:
        self.account.left -= budget.TOKEN
        try:
            claims = self._context.authentication.connect_now(frame)
            if claims is None:
                return self._connect_later(frame)
            self._accept(claims)
        except Problem as problem:
            self._refuse_connect(problem)
        return None

    async def _connect_later(self, frame: stomp.Connect) -> None:
        try:
            self._accept(await self._context.authentication.connect(frame))
        except Problem as problem:
            self._refuse_connect(problem)

    def _accept(self, claims: Claims) -> None:
        """Answer CONNECT; raise TooManyRequests if the user has too many connections."""
        if self.closed:
            return
        context, user = self._context, claims.subject
        if len(context.registry.sessions(user)) >= context.settings.connections_per_user:
            raise TooManyRequests("You have too many connections; close one.")
        self._claims = claims
        self.output.user = user
        context.registry.add(self)
        self.account.admit(user)
        self._unthrottle()
        self._replies.connected(self.id, user)
        log.info("session_opened", session_id=self.id, user_id=user, version=self.version)

    @override
    def flooded(self) -> None:
        self._refuse_connect(TooManyRequests("Too many frames before CONNECT; slow down."))

    def _refuse_connect(self, problem: Problem) -> None:
        self._context.refusals.note(problem, user=self.user, session=self.id)
        self.disconnect(disconnects.because_of(problem), problem)

    async def _renew_token(self, frame: stomp.Send) -> None:
        self.account.left -= budget.TOKEN
        try:
            self._claims = await self._context.authentication.renew(frame, self.claims)
        except Problem as problem:
            self._refuse(problem, frame.receipt)
        else:
            self.receipt(frame.receipt, {})

    def _send(self, frame: stomp.Send) -> Pending:
        if frame.destination == TOKEN:
            return self._renew_token(frame)
        self._sends_in_flight += 1
        return self._context.commands.send(self.claims, frame, self.account, self._sent)

    def _sent(self, receipt_id: str | None, room: str, outcome: int | Problem | None) -> None:
        self._sends_in_flight -= 1
        if isinstance(outcome, Problem):
            self._refuse(outcome, receipt_id, room=room)
        elif receipt_id is not None:
            headers = {} if outcome is None else {"message-id": to_id(outcome)}
            self._replies.receipt(receipt_id, headers)
        self.disconnect_if_done()

    def _refuse_oversized(self, frame: Oversized) -> None:
        problem = too_large(self._context.settings.message_bytes)
        self._refuse(problem, frame.receipt, room=room_of_send(frame.destination))

    async def _commit(self, frame: stomp.Commit) -> None:
        try:
            found = [self.subscriptions.acks.find(ack) for ack in frame.acks]
            await self._context.commands.commit(self.claims, frame.sends, self.account)
        except Problem as problem:
            self._refuse(problem, frame.receipt, transaction=frame.transaction)
            return
        for ack, acknowledged in zip(frame.acks, found, strict=True):
            self._settle(acknowledged, ack)
        self.receipt(frame.receipt, {})

    def _acknowledge(self, frame: stomp.Ack) -> None:
        try:
            self._settle(self.subscriptions.acks.find(frame), frame)
        except Problem as problem:
            self._refuse(problem, frame.receipt)
        else:
            self.receipt(frame.receipt, {})

    def _settle(self, acknowledged: Acknowledged, ack: stomp.Ack) -> None:
        read = self.subscriptions.acks.settle(acknowledged, consumed=not ack.nack)
        if read is not None:
            self._context.commands.mark_read(self.claims, read.room, read.position)

    def _publish_read_markers(self) -> None:
        for room, position in self.subscriptions.tick().items():
            self._context.commands.mark_read(self.claims, room, position)

    def _subscribe(self, frame: stomp.Subscribe) -> Pending:
        self.account.left -= budget.SUBSCRIBE
        if "since" in frame.headers:
            self.account.left -= budget.RECOVERY
        return self._context.subscriber.open(self, frame)

    def _unsubscribe(self, frame: stomp.Unsubscribe) -> None:
        self._end_subscription(frame.id)
        self.receipt(frame.receipt, {})

    def _only_receipt(self, frame: stomp.Begin | stomp.Abort | stomp.Held) -> None:
        self.receipt(frame.receipt, {})

    def _disconnect(self, frame: stomp.Disconnect) -> None:
        self._disconnect_frame = frame
        self.disconnect_if_done()

    def receipt(self, receipt_id: str | None, headers: Mapping[str, str]) -> None:
        """Send a RECEIPT, if the client requested one."""
        self._replies.receipt(receipt_id, headers)

    def _refuse(
        self, problem: Problem, receipt_id: str | None, *, room: str = "", **context: str
    ) -> None:
        """Send a refusal; disconnect a client without a subscription to its errors."""
        if self.closed:
            return
        self.account.left -= budget.REFUSAL
        self._context.refusals.note(
            problem, user=self.user, room=room, session=self.id, receipt=receipt_id
        )
        errors = self.subscriptions.errors
        if errors is not None:
            self._replies.refusal(problem, receipt_id, errors, **context)
        else:
            self._replies.error(problem, receipt_id)
            self.disconnect(disconnects.because_of(problem))

    def refuse_subscription(
        self, subscription_id: str, problem: Problem, receipt_id: str | None, room: str
    ) -> None:
        """Remove the subscription and send the refusal."""
        self.stomp.end_subscription(subscription_id)
        self._end_subscription(subscription_id)
        self._refuse(problem, receipt_id, room=room, subscription=subscription_id)

    def buffer_unacknowledged(self, size: int) -> bool:
        """Count `size` more bytes (fewer if negative) buffered for ACKs; False if over quota."""
        return self._add_buffered(size, Buffered.UNACKNOWLEDGED)

    def leave_room(self, room: str) -> None:
        """End the subscriptions to `room`; the user is no longer a member."""
        for subscription in self.subscriptions.of_room(room):
            self.stomp.end_subscription(subscription.id)
            self._end_subscription(subscription.id)
        self.subscriptions.leave(room)

    def _end_subscription(self, subscription_id: str) -> None:
        subscription = self.subscriptions.remove(subscription_id)
        if subscription is not None:
            self._context.subscriber.end(self.user, subscription)

    _HANDLERS: ClassVar[Mapping[type, Callable[..., Pending]]] = {
        stomp.Connect: _connect,
        stomp.Send: _send,
        Oversized: _refuse_oversized,
        stomp.Held: _only_receipt,
        stomp.Subscribe: _subscribe,
        stomp.Unsubscribe: _unsubscribe,
        stomp.Ack: _acknowledge,
        stomp.Begin: _only_receipt,
        stomp.Commit: _commit,
        stomp.Abort: _only_receipt,
        stomp.Disconnect: _disconnect,
    }
