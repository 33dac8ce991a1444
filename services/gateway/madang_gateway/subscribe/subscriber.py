"""SUBSCRIBE: who may follow what, from where on, and in which shape."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Protocol

import structlog
from typing_extensions import override

from madang_common.events.envelope import room_audience
from madang_common.problems import Forbidden, InvalidRequest, NotFound, Problem
from madang_common.tokens.claims import Claims
from madang_common.tokens.verifier import TokenVerifier
from madang_gateway.backends.memberships import Memberships
from madang_gateway.fanout.encoding import BodyMapping, EncodingKey, PositionedEvent, encode
from madang_gateway.fanout.hub import Hub
from madang_gateway.fanout.recipient import Recipient
from madang_gateway.limits.budget import BYTE, RESUMED_EVENT
from madang_gateway.metrics import Metrics
from madang_gateway.presence.local import LocalPresence
from madang_gateway.protocol import tutorial_destinations
from madang_gateway.protocol.destinations import LIVE_SUFFIX, Source, Topic, topic
from madang_gateway.protocol.stomp.events import Subscribe
from madang_gateway.publish.command import own_token
from madang_gateway.publish.interceptors import check_same_user
from madang_gateway.subscribe.ack_window import AckWindow, acknowledging
from madang_gateway.subscribe.recovery import Reader, Recovery, read_since, to_since
from madang_gateway.subscribe.subscription import Subscription

log = structlog.get_logger()

_LONGEST_WAIT_SECONDS = 1.0
"""How long a resume that has to wait for its allowance does so without another look."""
_DURABLE = frozenset({Source.ROOM, Source.USER})


class Subscribing(Protocol):
    """A session, as far as its subscriptions are concerned."""

    @property
    def recipient(self) -> Recipient:
        """Its connection."""
        ...

    @property
    def claims(self) -> Claims:
        """Whose session it is."""
        ...

    @property
    def version(self) -> str:
        """Its version of STOMP."""
        ...

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        ...

    def following(self, room: str) -> int:
        """Return how many of its subscriptions are to `room`."""
        ...

    def receipt(self, receipt_id: str | None, headers: Mapping[str, str]) -> None:
        """Send the RECEIPT, if one was asked for."""
        ...

    def refuse_subscription(
        self, subscription: str, problem: Problem, receipt_id: str | None
    ) -> None:
        """Tell the client that there will be no such subscription."""
        ...

    def hold(self, subscription: Subscription) -> None:
        """Count `subscription` among the session's own."""
        ...

    def keep_unacknowledged(self, size: int) -> bool:
        """Count `size` bytes more, or less, as kept for the ACKs of its subscriptions.

        Return whether that is within bounds; if not, the session ends.
        """
        ...

    def charge(self, cost: float) -> None:
        """Pay for work under way, out of what all connections of its user have."""
        ...

    @property
    def debt_seconds(self) -> float:
        """Seconds until that is paid; 0 if nothing is owed."""
        ...

    async def drained(self) -> None:
        """Return when more can be sent."""
        ...


class _CatchingUp(Reader):
    """A subscription on its way to the roster."""

    def __init__(
        self,
        session: Subscribing,
        subscription: Subscription,
        roster: Hub,
        receipt_id: str | None,
        metrics: Metrics,
    ) -> None:
        self._session = session
        self._subscription = subscription
        self._roster = roster
        self._receipt_id = receipt_id
        self._metrics = metrics

    @override
    def begin(self, *, resumed: bool | None = None, position: int | None = None) -> None:
        headers = {"subscription": self._subscription.id}
        if position is not None:
            headers["position"] = to_since(position)
        if resumed is not None:
            headers["resumed"] = "true" if resumed else "false"
        self._session.receipt(self._receipt_id, headers)

    @override
    def deliver(self, placed: list[PositionedEvent]) -> None:
        self._metrics.resumed.inc(len(placed))
        size = sum(len(one.body) for one in placed)
        self._session.charge(len(placed) * RESUMED_EVENT + size * BYTE)
        subscription = self._subscription
        shape, place = subscription.shape, subscription.acknowledging
        encoded = [encode(shape, one.event, one.id, one.body) for one in placed]
        if place is None:
            self._session.recipient.write(b"".join(encoded))
        else:
            pairs = zip(placed, encoded, strict=True)
            place.offer([(one.position, frame) for one, frame in pairs if frame])

    @override
    def go_live(self) -> None:
        for audience in self._subscription.audiences:
            self._roster.add(audience, self._subscription.shape, self._subscription.recipient)

    @override
    def charge(self, cost: float) -> None:
        self._session.charge(cost)

    @property
    @override
    def in_debt(self) -> bool:
        return self._session.debt_seconds > 0

    @override
    async def ready(self) -> None:
        while seconds := self._session.debt_seconds:  # noqa: ASYNC110 - time alone pays a debt
            await asyncio.sleep(min(seconds, _LONGEST_WAIT_SECONDS))
        if self._subscription.acknowledging is not None:
            await self._subscription.acknowledging.drained()
        await self._session.drained()


class Subscriber:
    """Opens and ends subscriptions."""

    def __init__(
        self,
        *,
        roster: Hub,
        memberships: Memberships,
        here: LocalPresence,
        resumption: Recovery,
        verifier: TokenVerifier,
        tutorial_body: BodyMapping | None,
        most_per_room: int,
        most_per_user: int,
        most_unacknowledged: int,
        metrics: Metrics,
    ) -> None:
        """Serve the tutorials' topics too, with `tutorial_body`, if it is given.

        One connection may follow a room `most_per_room` times, and all of a user's `most_per_user`
        times. Of one subscription, `most_unacknowledged` messages may wait for their ACK.
        """
        self._roster = roster
        self._memberships = memberships
        self._here = here
        self._resumption = resumption
        self._verifier = verifier
        self._tutorial_body = tutorial_body
        self._most_per_room = most_per_room
        self._most_per_user = most_per_user
        self._most_unacknowledged = most_unacknowledged
        self._metrics = metrics

    def open(self, session: Subscribing, frame: Subscribe) -> Awaitable[None] | None:
        """Open what `frame` asks for, or refuse it; await the result if there is one."""
        try:
            subscription = self._subscription(session, frame)
            since = read_since(frame.headers.get("since"))
            user, room = session.claims.subject, subscription.topic.room
            token = own_token(frame.headers)
            if token is None:
                access = self._memberships.known(user, room) if room else None
                if access is not None:
                    access.check_read()
                if access is not None or not room:
                    return self._begin(session, subscription, since, frame.receipt)
        except Problem as problem:
            session.refuse_subscription(frame.id, problem, frame.receipt)
            return None
        return self._open_later(session, subscription, since, token, frame.receipt)

    def end(self, session: Subscribing, subscription: Subscription) -> None:
        """Take `subscription` out of the roster and stop what still fills it."""
        if subscription.ended:
            return
        subscription.ended = True
        self._metrics.subscriptions.dec()
        if subscription.topic.room:
            self._here.leave(subscription.topic.room, session.claims.subject)
        if subscription.resuming is not None:
            subscription.resuming.cancel()
        if subscription.acknowledging is not None:
            subscription.acknowledging.end()
        for audience in subscription.audiences:
            self._roster.remove(audience, subscription.shape, subscription.recipient)

    def _subscription(self, session: Subscribing, frame: Subscribe) -> Subscription:
        """Return what `frame` means; raise NotFound if nothing, Forbidden if that is too much.

        Raise InvalidRequest if it asks for what cannot be.
        """
        found = topic(frame.destination, session.claims.subject)
        mapping = None
        if found is None and self._tutorial_body is not None:
            room = tutorial_destinations.room_of_topic(frame.destination)
            if room is not None:
                found = Topic(Source.ROOM, room_audience(room), room)
                mapping = self._tutorial_body
        if found is None:
            raise NotFound(f"There is no such destination: {frame.destination[:100]}.")
        if found.room and session.following(found.room) >= self._most_per_room:
            raise Forbidden(f"A connection may follow a room {self._most_per_room} times.")
        user = session.claims.subject
        if found.room and self._here.count(found.room, user) >= self._most_per_user:
            raise Forbidden(f"All your connections may follow a room {self._most_per_user} times.")
        audiences: tuple[str, ...] = (found.audience,) if found.audience else ()
        if mapping is not None:
            audiences = (found.audience, found.audience + LIVE_SUFFIX)
        recipient = session.recipient
        shape = EncodingKey(
            subscription=frame.id,
            destination=frame.destination,
            version=session.version,
            acknowledged=frame.ack != "auto",
            mapping=mapping,
            compressed=recipient.compressed,
            sockjs=recipient.sockjs,
        )
        place = self._place(session, found, frame)
        marks_read = frame.headers.get("read-marker") == "true"
        if marks_read and (place is None or not found.room):
            raise InvalidRequest("read-marker needs a room's events and ack:client.")
        return Subscription(
            frame.id, found, shape, audiences, place or recipient, place, marks_read
        )

    def _place(self, session: Subscribing, found: Topic, frame: Subscribe) -> AckWindow | None:
        """Return what keeps an account of the subscription's messages, if they last."""
        if found.source not in _DURABLE:
            return None
        return acknowledging(
            session.recipient,
            frame,
            most=self._most_unacknowledged,
            keep=session.keep_unacknowledged,
        )

    async def _open_later(
        self,
        session: Subscribing,
        subscription: Subscription,
        since: int | None,
        token: str | None,
        receipt_id: str | None,
    ) -> None:
        try:
            user, room = session.claims.subject, subscription.topic.room
            if token is not None:
                check_same_user(session.claims, await self._verifier.verify(token))
            if room:
                await self._memberships.check_read(user, room)
        except Problem as problem:
            session.refuse_subscription(subscription.id, problem, receipt_id)
        else:
            pending = self._begin(session, subscription, since, receipt_id)
            if pending is not None:
                await pending

    def _begin(
        self,
        session: Subscribing,
        subscription: Subscription,
        since: int | None,
        receipt_id: str | None,
    ) -> Awaitable[None] | None:
        """Open `subscription`; await the result, if there is one, before the next is opened."""
        if session.closed:
            return None
        session.hold(subscription)
        self._metrics.subscriptions.inc()
        if subscription.topic.room:
            claims = session.claims
            self._here.enter(subscription.topic.room, claims.subject, claims.name)
        audience = subscription.topic.audience
        durable = subscription.topic.source in _DURABLE
        reader = _CatchingUp(session, subscription, self._roster, receipt_id, self._metrics)
        if not durable:
            reader.begin()
            reader.go_live()
        elif since is None:
            self._resumption.from_here(audience, reader)
        elif self._resumption.at_once(audience, since, reader):
            return session.drained()
        else:
            subscription.resuming = asyncio.create_task(
                self._resume(session, subscription, since, reader, receipt_id), name="resume"
            )
        return None

    async def _resume(
        self,
        session: Subscribing,
        subscription: Subscription,
        since: int,
        reader: Reader,
        receipt_id: str | None,
    ) -> None:
        audience = subscription.topic.audience
        try:
            await self._resumption.step_by_step(audience, since, reader)
        except Problem as problem:
            session.refuse_subscription(subscription.id, problem, receipt_id)
        except Exception:
            log.exception("resume_failed", audience=audience)
            session.refuse_subscription(subscription.id, Problem(), receipt_id)
        finally:
            subscription.resuming = None
