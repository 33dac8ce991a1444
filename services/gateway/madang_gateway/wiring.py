"""The gateway put together; the only place that knows which adapters there are."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from madang_common import access, tasks
from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.backends import Backends, open_backends
from madang_common.http.security import secure
from madang_common.live.amqp import AmqpLive
from madang_common.live.port import Live
from madang_common.log.opening import open_log
from madang_common.log.port import Log
from madang_common.log.publisher import Publisher
from madang_common.server import Served
from madang_common.token_bucket import Rate
from madang_common.tokens.revocations import follow_revocations
from madang_common.tokens.verifier import Verifiers
from madang_gateway.api.messages import router
from madang_gateway.api.presence import router as presence_router
from madang_gateway.api.sockjs import router as sockjs_router
from madang_gateway.backends.history import History
from madang_gateway.backends.memberships import Memberships
from madang_gateway.consume.dispatcher import Dispatcher
from madang_gateway.consume.lag import Lag
from madang_gateway.consume.log_consumer import LogConsumer
from madang_gateway.fanout.broadcaster import Broadcaster, Roster
from madang_gateway.fanout.hub import Hub
from madang_gateway.limits.budget import Allowances, Budget
from madang_gateway.metrics import Metrics
from madang_gateway.node import live_notices
from madang_gateway.node.drain import Drain
from madang_gateway.node.node import Node
from madang_gateway.node.write_scheduler import WriteScheduler
from madang_gateway.presence.inprocess import InProcessPresence
from madang_gateway.presence.local import LocalPresence
from madang_gateway.presence.notices import Notices
from madang_gateway.presence.port import PresenceStore
from madang_gateway.presence.redis import RedisPresence
from madang_gateway.presence.sync import PresenceSync
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.tutorial_destinations import TutorialBody
from madang_gateway.publish.interceptors import (
    LoginHolds,
    Membership,
    OwnToken,
    RateLimit,
    SizeLimit,
)
from madang_gateway.publish.sender import Sender
from madang_gateway.refusals import Refusals
from madang_gateway.session.registry import SessionRegistry
from madang_gateway.session.session import Session, Shared
from madang_gateway.settings import GatewaySettings
from madang_gateway.state.idempotency_keys import IdempotencyKeys
from madang_gateway.state.pending_receipts import PendingReceipts
from madang_gateway.state.recent_events import RecentEvents
from madang_gateway.state.sent_lines import SentLines
from madang_gateway.subscribe.recovery import Recovery
from madang_gateway.subscribe.subscriber import Subscriber
from madang_gateway.websocket.connection import connection_class

_clock = time.monotonic
"""What ages things in memory; events carry the wall clock's time."""

_OWN_LINES_BYTES = 8_388_608
"""Far more than is under way as long as the log is there."""


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """The other services, as the gateway reaches them."""

    verifiers: Verifiers
    rooms: httpx.AsyncClient
    history: History


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the gateway holds, all of it rebuilt on start."""

    roster: Roster
    tail: RecentEvents
    keys: IdempotencyKeys
    own_lines: SentLines
    receipts: PendingReceipts
    memberships: Memberships
    users: SessionRegistry[Session]
    here: LocalPresence


@asynccontextmanager
async def build(
    settings: GatewaySettings,
    *,
    log: Log,
    live: Live,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[FastAPI]:
    """Run a gateway on `log` and `live`; yield its app once it has seen the whole tail.

    `app.state.websocket` is the protocol class for uvicorn's `ws=`, `app.state.drain` what is to
    run before the end, `app.state.works` what must not end. `transport` replaces the network
    towards the other services.
    """
    metrics = Metrics(registry := CollectorRegistry())
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(
            open_backends(settings, service="gateway", transport=transport)
        )
        near = _neighbours(backends)
        memory = _memory(settings, log.shards, near, metrics)
        sender = _sender(settings, near, memory, _publisher(settings, log, metrics, stack), live)
        node = _node(settings, near, memory, sender, metrics)
        delivery = Broadcaster(memory.roster, metrics)
        follower = _follower(settings, log, memory, delivery, node, metrics)
        stack.push_async_callback(follower.stop)
        await follower.start()
        board = _board(settings, stack)
        keeper = _keeper(settings, board, memory, live, metrics, stack)
        works = {
            "gateway-live": live_notices.pass_on(live, delivery, node),
            "gateway-time": node.keep_time(),
            "gateway-presence": keeper.keep(),
            "gateway-lag": Lag(log, memory.tail, metrics.log_behind).watch(
                settings.lag_poll_seconds
            ),
        }
        begun = [tasks.start(stack, name, work) for name, work in works.items()]
        ended = partial(follow_revocations, auth=backends.auth, registry=registry)
        await stack.enter_async_context(
            ended("gateway", settings, near.verifiers.users, on_ended=node.check_logins)
        )
        app = create_app(
            "gateway",
            settings,
            routers=_routers(settings, sender, board, memory, node.shared.refusals),
            health=_health(log, live, follower, node),
            registry=registry,
        )
        secure(app, near.verifiers)
        app.state.websocket = connection_class(node)
        app.state.drain = Drain(node, settings.drain_seconds).run
        app.state.works = [*follower.tasks, *begun]
        yield app


@asynccontextmanager
async def serve(settings: GatewaySettings) -> AsyncIterator[Served]:
    """Run a gateway on RabbitMQ and Redis, for a process of its own."""
    url = settings.required("amqp_url")
    settings.required("redis_url")
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(settings, service="gateway"))
        live = await AmqpLive.open(url, name="gateway")
        stack.push_async_callback(live.close)
        app = await stack.enter_async_context(build(settings, log=log, live=live))
        yield Served(app, app.state.websocket, app.state.drain, app.state.works)


def _neighbours(backends: Backends) -> _Neighbours:
    return _Neighbours(backends.verifiers, backends.rooms, History(backends.history))


def _memory(settings: GatewaySettings, shards: int, near: _Neighbours, metrics: Metrics) -> _Memory:
    tail = RecentEvents(
        shards, limit_bytes=settings.tail_bytes, limit_seconds=settings.tail_seconds
    )
    metrics.tail_reach_seconds.set_function(partial(_reach_seconds, tail, settings.tail_seconds))
    return _Memory(
        roster=Hub(),
        tail=tail,
        keys=IdempotencyKeys(settings.key_seconds, settings.key_count),
        own_lines=SentLines(_OWN_LINES_BYTES),
        receipts=PendingReceipts(settings.receipt_seconds, metrics.receipt_seconds.observe),
        memberships=Memberships(
            partial(access.fetch_access, near.rooms), rooms=settings.memberships_cached
        ),
        users=SessionRegistry(Rate(settings.sends_per_second, settings.sends_burst)),
        here=LocalPresence(settings.presence_grace_seconds, _clock),
    )


def _reach_seconds(tail: RecentEvents, most: float) -> float:
    """Return how far back nothing is missing in memory, `most` if it is no less."""
    return most if tail.dropped_at is None else min(most, _clock() - tail.dropped_at)


def _publisher(
    settings: GatewaySettings, log: Log, metrics: Metrics, stack: AsyncExitStack
) -> Publisher:
    publisher = Publisher(
        log,
        waiting_bytes=settings.append_waiting_bytes,
        timeout_seconds=settings.append_seconds,
        observe=metrics.append_seconds.observe,
    )
    stack.push_async_callback(publisher.close)
    metrics.log_connected.set_function(lambda: log.connected)
    metrics.append_waiting_bytes.set_function(lambda: publisher.waiting_bytes)
    return publisher


def _sender(
    settings: GatewaySettings,
    near: _Neighbours,
    memory: _Memory,
    publisher: Publisher,
    live: Live,
) -> Sender:
    membership = Membership(memory.memberships)
    return Sender(
        interceptors=(
            SizeLimit(settings.message_bytes),
            OwnToken(near.verifiers.users, required=settings.send_token_required),
            RateLimit(memory.users, _clock),
            membership,
        ),
        standing=(LoginHolds(near.verifiers.users, time.time), membership),
        keys=memory.keys,
        own_lines=memory.own_lines,
        receipts=memory.receipts,
        history=near.history,
        publisher=publisher,
        live=live,
        clock=_clock,
    )


def _subscriber(
    settings: GatewaySettings, near: _Neighbours, memory: _Memory, metrics: Metrics
) -> Subscriber:
    resumption = Recovery(
        memory.tail,
        near.history,
        shards=len(memory.tail.end),
        page=settings.resume_page,
        chunk_bytes=settings.slow_consumer_bytes // 16,
        seconds=settings.resume_seconds,
        metrics=metrics,
        clock=_clock,
    )
    return Subscriber(
        roster=memory.roster,
        memberships=memory.memberships,
        here=memory.here,
        resumption=resumption,
        verifier=near.verifiers.users,
        tutorial_body=_tutorial_body(settings),
        most_per_room=settings.subscriptions_per_room,
        most_per_user=settings.subscriptions_per_room_per_user,
        most_unacknowledged=settings.unacknowledged_messages,
        metrics=metrics,
    )


def _node(
    settings: GatewaySettings, near: _Neighbours, memory: _Memory, sender: Sender, metrics: Metrics
) -> Node:
    return Node(
        Shared(
            settings=settings,
            limits=_limits(settings),
            verifier=near.verifiers.users,
            sender=sender,
            subscriber=_subscriber(settings, near, memory, metrics),
            users=memory.users,
            refusals=Refusals(metrics),
            metrics=metrics,
        ),
        WriteScheduler(asyncio.get_running_loop()),
        memory.receipts,
        Budget(_allowances(settings), _clock),
    )


def _allowances(settings: GatewaySettings) -> Allowances:
    return Allowances(
        connection=Rate(settings.frames_per_second, settings.frames_burst),
        user=Rate(settings.frames_per_second_per_user, settings.frames_burst_per_user),
        address=Rate(settings.frames_per_second_per_address, settings.frames_burst_per_address),
        before_connected=settings.frames_before_connected,
        connection_bytes=settings.slow_consumer_bytes,
        user_bytes=settings.kept_bytes_per_user,
        address_bytes=settings.kept_bytes_per_address,
    )


def _follower(
    settings: GatewaySettings,
    log: Log,
    memory: _Memory,
    delivery: Broadcaster,
    node: Node,
    metrics: Metrics,
) -> LogConsumer:
    dispatcher = Dispatcher(
        tail=memory.tail,
        keys=memory.keys,
        own_lines=memory.own_lines,
        memberships=memory.memberships,
        receipts=memory.receipts,
        roster=memory.roster,
        delivery=delivery,
        end_membership=partial(_end_membership, node, memory.here),
        metrics=metrics,
        clock=_clock,
    )
    return LogConsumer(
        log,
        dispatcher,
        memory.tail,
        seconds=settings.tail_seconds + settings.key_seconds,
        on_gap=partial(_start_over, memory, node),
    )


def _board(settings: GatewaySettings, stack: AsyncExitStack) -> PresenceStore:
    board: PresenceStore
    if settings.redis_url is None:
        board = InProcessPresence()
    else:
        board = RedisPresence.at(
            settings.redis_url.get_secret_value(),
            connections=settings.redis_connections,
            timeout_seconds=settings.redis_timeout_seconds,
        )
    stack.push_async_callback(board.close)
    return board


def _keeper(
    settings: GatewaySettings,
    board: PresenceStore,
    memory: _Memory,
    live: Live,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> PresenceSync:
    keeper = PresenceSync(
        board,
        memory.here,
        Notices(live, most_present=settings.presence_notice_members),
        seconds=settings.presence_seconds,
        grace_seconds=settings.presence_grace_seconds,
        metrics=metrics,
        clock=_clock,
    )
    stack.push_async_callback(keeper.stop)
    return keeper


def _routers(
    settings: GatewaySettings,
    sender: Sender,
    board: PresenceStore,
    memory: _Memory,
    refusals: Refusals,
) -> list[APIRouter]:
    return [
        router(sender, refusals),
        presence_router(board, memory.memberships),
        sockjs_router(settings.allowed_origins),
    ]


def _health(log: Log, live: Live, follower: LogConsumer, node: Node) -> Health:
    return Health(
        {
            "log": log.ping,
            "live": live.ping,
            "follower": follower.ping,
            "admission": node.admission.ping,
        }
    )


def _end_membership(node: Node, here: LocalPresence, user: str, room: str) -> None:
    """End what `user` follows of `room`, and their presence there."""
    node.leave_room(user, room)
    here.expel(room, user)


def _start_over(memory: _Memory, node: Node) -> None:
    """Trust nothing that the events which were missed may have changed."""
    node.shared.metrics.log_gaps.inc()
    memory.memberships.forget()
    memory.tail.dropped_at = _clock()
    node.disconnect_all()


def _limits(settings: GatewaySettings) -> Limits:
    return Limits(
        header_count=settings.header_count,
        body_bytes=settings.frame_bytes,
        subscriptions=settings.subscriptions_per_connection,
    )


def _tutorial_body(settings: GatewaySettings) -> TutorialBody | None:
    if not settings.destination_aliases:
        return None
    return TutorialBody(settings.alias_entered, settings.alias_quit)
