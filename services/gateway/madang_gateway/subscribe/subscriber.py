"""SUBSCRIBE and UNSUBSCRIBE: checks access, opens a subscription, starts its replay."""

import asyncio
from collections.abc import Awaitable

import structlog

from madang_common.events.envelope import room_audience
from madang_common.problems import Forbidden, InvalidRequest, NotFound, Problem
from madang_common.tokens.verifier import TokenVerifier
from madang_gateway.backends.memberships import Memberships
from madang_gateway.fanout.encoding import BodyMapping, EncodingKey
from madang_gateway.fanout.hub import Hub
from madang_gateway.metrics import Metrics
from madang_gateway.presence.local import LocalPresence
from madang_gateway.protocol import tutorial_destinations
from madang_gateway.protocol.destinations import LIVE_SUFFIX, Source, Topic, topic
from madang_gateway.protocol.stomp.events import Subscribe
from madang_gateway.publish.command import own_token
from madang_gateway.publish.interceptors import check_same_user
from madang_gateway.subscribe.ack_window import AckWindow, create_ack_window
from madang_gateway.subscribe.recovery import Recovery, ReplayTarget, read_since
from madang_gateway.subscribe.replay import SubscriptionReplay
from madang_gateway.subscribe.subscribing_session import SubscribingSession
from madang_gateway.subscribe.subscription import Subscription

log = structlog.get_logger()

_DURABLE = frozenset({Source.ROOM, Source.USER})


class Subscriber:
    """Opens and ends subscriptions."""

    def __init__(
        self,
        *,
        hub: Hub,
        memberships: Memberships,
        presence: LocalPresence,
        recovery: Recovery,
        verifier: TokenVerifier,
        tutorial_body: BodyMapping | None,
        max_per_room: int,
        max_per_user: int,
        max_unacknowledged: int,
        metrics: Metrics,
    ) -> None:
        """Serve the tutorials' topics too if `tutorial_body` is given.

        A connection may subscribe to a room `max_per_room` times, all connections of a user
        `max_per_user` times. A subscription may have `max_unacknowledged` messages in flight.
        """
        self._hub = hub
        self._memberships = memberships
        self._presence = presence
        self._recovery = recovery
        self._verifier = verifier
        self._tutorial_body = tutorial_body
        self._max_per_room = max_per_room
        self._max_per_user = max_per_user
        self._max_unacknowledged = max_unacknowledged
        self._metrics = metrics

    def open(self, session: SubscribingSession, frame: Subscribe) -> Awaitable[None] | None:
        """Open the subscription, or refuse it; await the result if there is one."""
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
            found = topic(frame.destination, session.claims.subject)
            room = "" if found is None else found.room
            session.refuse_subscription(frame.id, problem, frame.receipt, room)
            return None
        return self._open_later(session, subscription, since, token, frame.receipt)

    def end(self, user: str, subscription: Subscription) -> None:
        """Remove a subscription of `user` from the hub and cancel its replay."""
        if subscription.ended:
            return
        subscription.ended = True
        self._metrics.subscriptions.dec()
        if subscription.topic.room:
            self._presence.leave(subscription.topic.room, user)
        if subscription.replay_task is not None:
            subscription.replay_task.cancel()
        if subscription.ack_window is not None:
            subscription.ack_window.end()
        for audience in subscription.audiences:
            self._hub.remove(audience, subscription.encoding_key, subscription.recipient)

    def _subscription(self, session: SubscribingSession, frame: Subscribe) -> Subscription:
        """Return the subscription that `frame` requests, not opened yet.

        Raise NotFound for an unknown destination, Forbidden over a limit, InvalidRequest for a
        header that does not fit.
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
        if found.room and len(session.subscriptions.of_room(found.room)) >= self._max_per_room:
            raise Forbidden(
                f"A connection may have {self._max_per_room} subscriptions to a room; end one."
            )
        user = session.claims.subject
        if found.room and self._presence.count(found.room, user) >= self._max_per_user:
            raise Forbidden(f"You may have {self._max_per_user} subscriptions to a room; end one.")
        audiences: tuple[str, ...] = (found.audience,) if found.audience else ()
        if mapping is not None:
            audiences = (found.audience, found.audience + LIVE_SUFFIX)
        output = session.output
        encoding_key = EncodingKey(
            subscription=frame.id,
            destination=frame.destination,
            version=session.version,
            acknowledged=frame.ack != "auto",
            mapping=mapping,
            compressed=output.compressed,
            sockjs=output.sockjs,
        )
        ack_window = self._ack_window(session, found, frame)
        marks_read = frame.headers.get("read-marker") == "true"
        if marks_read and (ack_window is None or not found.room):
            raise InvalidRequest(
                "read-marker needs the topic of a room and an ack mode other than auto."
            )
        return Subscription(
            frame.id, found, encoding_key, audiences, ack_window or output, ack_window, marks_read
        )

    def _ack_window(
        self, session: SubscribingSession, found: Topic, frame: Subscribe
    ) -> AckWindow | None:
        """Return the ACK window of a durable topic, None if messages need no ACK."""
        if found.source not in _DURABLE:
            return None
        return create_ack_window(
            session.output,
            frame,
            max_messages=self._max_unacknowledged,
            add_buffered=session.buffer_unacknowledged,
        )

    async def _open_later(
        self,
        session: SubscribingSession,
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
            session.refuse_subscription(
                subscription.id, problem, receipt_id, subscription.topic.room
            )
        else:
            pending = self._begin(session, subscription, since, receipt_id)
            if pending is not None:
                await pending

    def _begin(
        self,
        session: SubscribingSession,
        subscription: Subscription,
        since: int | None,
        receipt_id: str | None,
    ) -> Awaitable[None] | None:
        """Open `subscription`; await the result, if there is one, before the next frame."""
        if session.closed:
            return None
        session.subscriptions.add(subscription)
        self._metrics.subscriptions.inc()
        if subscription.topic.room:
            claims = session.claims
            self._presence.enter(subscription.topic.room, claims.subject, claims.name)
        audience = subscription.topic.audience
        durable = subscription.topic.source in _DURABLE
        replay = SubscriptionReplay(session, subscription, self._hub, receipt_id, self._metrics)
        if not durable:
            replay.begin()
            replay.go_live()
        elif since is None:
            self._recovery.start_live(audience, replay)
        elif self._recovery.replay_now(audience, since, replay):
            return session.output.drained()
        else:
            subscription.replay_task = asyncio.create_task(
                self._replay(session, subscription, since, replay, receipt_id), name="replay"
            )
        return None

    async def _replay(
        self,
        session: SubscribingSession,
        subscription: Subscription,
        since: int,
        replay: ReplayTarget,
        receipt_id: str | None,
    ) -> None:
        audience = subscription.topic.audience
        try:
            await self._recovery.replay(audience, since, replay)
        except Problem as problem:
            session.refuse_subscription(
                subscription.id, problem, receipt_id, subscription.topic.room
            )
        except Exception:
            log.exception("resume_failed", audience=audience)
            session.refuse_subscription(
                subscription.id, Problem(), receipt_id, subscription.topic.room
            )
        finally:
            subscription.replay_task = None
