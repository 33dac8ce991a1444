"""Builds the gateway; the only module that chooses adapters."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
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
from madang_common.log import verification
from madang_common.log.guard import GuardedLog
from madang_common.log.opening import open_epoch, open_log
from madang_common.log.port import Log, OlderLogs
from madang_common.log.publisher import Publisher
from madang_common.metrics import LogMetrics
from madang_common.server import Served
from madang_common.tokens.revocations import follow_revocations
from madang_gateway.api.messages import router as messages_router
from madang_gateway.api.presence import router as presence_router
from madang_gateway.api.sockjs import router as sockjs_router
from madang_gateway.api.upgrade import router as upgrade_router
from madang_gateway.backends.history import History
from madang_gateway.consume.dispatcher import Dispatcher
from madang_gateway.consume.earlier_epochs import recall_earlier_epochs
from madang_gateway.consume.lag import Lag
from madang_gateway.consume.log_consumer import LogConsumer
from madang_gateway.consume.message_changes import MessageChanges
from madang_gateway.fanout.broadcaster import Broadcaster
from madang_gateway.limits.budget import Budget
from madang_gateway.messages.lookup import Messages
from madang_gateway.messages.rules import Rules
from madang_gateway.messages.seen import SeenPositions
from madang_gateway.metrics import Metrics
from madang_gateway.node.drain import Drain
from madang_gateway.node.live_events import deliver_live_events
from madang_gateway.node.node import Node
from madang_gateway.node.state import NodeState
from madang_gateway.node.write_scheduler import WriteScheduler
from madang_gateway.presence.announcer import PresenceAnnouncer
from madang_gateway.presence.inprocess import InProcessPresence
from madang_gateway.presence.port import PresenceStore
from madang_gateway.presence.redis import RedisPresence
from madang_gateway.presence.sync import PresenceSync
from madang_gateway.publish import interceptors, message_checks
from madang_gateway.publish.sender import Sender
from madang_gateway.refusals import Refusals
from madang_gateway.session.authentication import Authentication
from madang_gateway.session.commands import Commands
from madang_gateway.session.context import SessionContext
from madang_gateway.settings import GatewaySettings
from madang_gateway.subscribe.recovery import Recovery
from madang_gateway.subscribe.subscriber import Subscriber
from madang_gateway.websocket.connection import connection_class

_clock = time.monotonic


@asynccontextmanager
async def build(
    settings: GatewaySettings,
    *,
    log: Log,
    live: Live,
    older_logs: OlderLogs | None = None,
    verify_log: bool = False,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[FastAPI]:
    """Run a gateway on `log` and `live`; yield its app once it has read the recent events.

    `app.state.websocket` is the protocol class for uvicorn's `ws=`, `app.state.drain` runs before
    the stop, `app.state.tasks` are the background tasks. `older_logs` opens earlier epochs of the
    log. With `verify_log` nothing is appended until history has confirmed that `log` is the current
    one; in one process they use the same. `transport` replaces the network to the other services.
    """
    metrics = Metrics(registry := CollectorRegistry())
    refusals = Refusals(registry)
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(
            open_backends(settings, service="gateway", transport=transport)
        )
        history, log_metrics = backends.history, LogMetrics(registry, "gateway")
        guarded, background_tasks = await verification.guard(
            stack, log, log_metrics, service="gateway", history=history if verify_log else None
        )
        state = _state(settings, log, backends, metrics)
        publisher = _publisher(settings, guarded, metrics, stack)
        seen = SeenPositions(
            state.recent_events, guarded.end, seconds=settings.resume_seconds, clock=_clock
        )
        sender = _sender(settings, backends, state, seen, publisher, live, metrics)
        node = _node(settings, backends, state, seen, sender, refusals, metrics)
        broadcaster = Broadcaster(state.hub, metrics)
        consumer = await _start_consumer(node, guarded, older_logs, broadcaster, stack)
        drain = _drain(node, guarded, stack)
        presence_store = _presence_store(settings, stack)
        presence_sync = _presence_sync(settings, presence_store, state, live, metrics, stack)
        background_tasks += _background_tasks(
            node, guarded, live, broadcaster, presence_sync, stack
        )
        await stack.enter_async_context(_revocations(settings, backends, node, registry))
        routers = _routers(settings, sender, presence_store, state)
        health = _health(node, consumer, guarded, live, presence_store)
        app = _app(node, backends, routers, health, registry)
        app.state.websocket = connection_class(node)
        app.state.drain = drain.run
        app.state.tasks = [*consumer.tasks, *background_tasks]
        yield app


@asynccontextmanager
async def serve(settings: GatewaySettings) -> AsyncIterator[Served]:
    """Run a gateway on RabbitMQ and Redis, in a process of its own."""
    settings.require_redis()
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(settings, service="gateway"))
        live = await AmqpLive.open(
            settings.require_amqp(), name="gateway", patience_seconds=settings.start_seconds
        )
        stack.push_async_callback(live.close)
        app = await stack.enter_async_context(
            build(
                settings,
                log=log,
                live=live,
                older_logs=partial(open_epoch, settings, service="gateway"),
                verify_log=True,
            )
        )
        yield Served(app, app.state.websocket, app.state.drain, app.state.tasks)


def _state(settings: GatewaySettings, log: Log, backends: Backends, metrics: Metrics) -> NodeState:
    return NodeState.create(
        settings,
        shards=log.shards,
        fetch_access=partial(access.fetch_access, backends.rooms),
        metrics=metrics,
        clock=_clock,
    )


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
    backends: Backends,
    state: NodeState,
    seen: SeenPositions,
    publisher: Publisher,
    live: Live,
    metrics: Metrics,
) -> Sender:
    users, history = backends.verifiers.users, History(backends.history)
    membership = interceptors.Membership(state.memberships)
    messages = Messages(
        state.message_states,
        state.recent_events,
        history.messages,
        seen,
        seconds=settings.resume_seconds,
        metrics=metrics,
        clock=_clock,
    )
    return Sender(
        interceptors=(
            interceptors.SizeLimit(settings.message_bytes),
            interceptors.OwnToken(users, required=settings.send_token_required),
            interceptors.RateLimit(state.registry.bucket, _clock),
            membership,
            message_checks.Content(messages),
        ),
        change_check=message_checks.ChangeAllowed(
            messages, state.memberships, Rules(settings.edit_seconds), time.time
        ),
        append_checks=(interceptors.ActiveSession(users, time.time), membership),
        idempotency_keys=state.idempotency_keys,
        sent_lines=state.sent_lines,
        pending_receipts=state.pending_receipts,
        history=history,
        publisher=publisher,
        live=live,
    )


def _subscriber(
    settings: GatewaySettings,
    backends: Backends,
    state: NodeState,
    seen: SeenPositions,
    metrics: Metrics,
) -> Subscriber:
    recovery = Recovery(
        state.recent_events,
        History(backends.history),
        seen=seen,
        shards=len(state.recent_events.end),
        page=settings.resume_page,
        chunk_bytes=settings.slow_consumer_bytes // 16,
        seconds=settings.resume_seconds,
        metrics=metrics,
        clock=_clock,
    )
    return Subscriber(
        hub=state.hub,
        memberships=state.memberships,
        presence=state.local_presence,
        recovery=recovery,
        verifier=backends.verifiers.users,
        tutorial_body=settings.tutorial_body,
        max_per_room=settings.subscriptions_per_room,
        max_per_user=settings.subscriptions_per_room_per_user,
        max_unacknowledged=settings.unacknowledged_messages,
        metrics=metrics,
    )


def _node(
    settings: GatewaySettings,
    backends: Backends,
    state: NodeState,
    seen: SeenPositions,
    sender: Sender,
    refusals: Refusals,
    metrics: Metrics,
) -> Node:
    verifier = backends.verifiers.users
    context = SessionContext(
        settings=settings,
        limits=settings.stomp_limits,
        verifier=verifier,
        authentication=Authentication(verifier, connect_seconds=settings.connect_seconds),
        commands=Commands(
            sender,
            message_bytes=settings.message_bytes,
            with_aliases=settings.destination_aliases,
        ),
        subscriber=_subscriber(settings, backends, state, seen, metrics),
        registry=state.registry,
        refusals=refusals,
        metrics=metrics,
    )
    scheduler = WriteScheduler(asyncio.get_running_loop())
    return Node(context, state, scheduler, Budget(settings.allowances, _clock), _clock)


def _dispatcher(node: Node, broadcaster: Broadcaster) -> Dispatcher:
    state = node.state
    return Dispatcher(
        recent_events=state.recent_events,
        idempotency_keys=state.idempotency_keys,
        sent_lines=state.sent_lines,
        memberships=state.memberships,
        message_changes=MessageChanges(
            state.recent_events, state.message_states, node.context.metrics
        ),
        pending_receipts=state.pending_receipts,
        hub=state.hub,
        broadcaster=broadcaster,
        end_membership=node.end_membership,
        metrics=node.context.metrics,
        clock=_clock,
    )


async def _start_consumer(
    node: Node,
    log: Log,
    older_logs: OlderLogs | None,
    broadcaster: Broadcaster,
    stack: AsyncExitStack,
) -> LogConsumer:
    """Return the consumer of `log` once the recent events are in memory."""
    settings, dispatcher = node.context.settings, _dispatcher(node, broadcaster)
    seconds = settings.tail_seconds + settings.key_seconds
    if older_logs is not None:
        await recall_earlier_epochs(older_logs, log.epoch, dispatcher, seconds=seconds)
    consumer = LogConsumer(
        log, dispatcher, node.state.recent_events, seconds=seconds, on_gap=node.start_over
    )
    stack.push_async_callback(consumer.stop)
    await consumer.start()
    return consumer


def _drain(node: Node, log: GuardedLog, stack: AsyncExitStack) -> Drain:
    """Return the drain, which the end of the log's epoch begins."""
    drain = Drain(node, node.context.settings.drain_seconds)
    stack.push_async_callback(drain.stop)
    log.on_ended = drain.start
    return drain


def _presence_sync(
    settings: GatewaySettings,
    store: PresenceStore,
    state: NodeState,
    live: Live,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> PresenceSync:
    sync = PresenceSync(
        store,
        state.local_presence,
        PresenceAnnouncer(live, max_present=settings.presence_notice_members),
        seconds=settings.presence_seconds,
        grace_seconds=settings.presence_grace_seconds,
        metrics=metrics,
        clock=_clock,
    )
    stack.push_async_callback(sync.stop)
    return sync


def _presence_store(settings: GatewaySettings, stack: AsyncExitStack) -> PresenceStore:
    store: PresenceStore = InProcessPresence()
    if settings.redis is not None:
        store = RedisPresence.at(
            settings.redis,
            connections=settings.redis_connections,
            timeout_seconds=settings.redis_timeout_seconds,
        )
    stack.push_async_callback(store.close)
    return store


def _background_tasks(
    node: Node,
    log: Log,
    live: Live,
    broadcaster: Broadcaster,
    presence_sync: PresenceSync,
    stack: AsyncExitStack,
) -> list[asyncio.Task[None]]:
    lag = Lag(log, node.state.recent_events, node.context.metrics.log_behind)
    return [
        tasks.start(stack, "gateway-live", deliver_live_events(live, broadcaster, node)),
        tasks.start(stack, "gateway-time", node.tick_forever()),
        tasks.start(stack, "gateway-presence", presence_sync.run()),
        tasks.start(stack, "gateway-lag", lag.watch(node.context.settings.lag_poll_seconds)),
    ]


def _revocations(
    settings: GatewaySettings, backends: Backends, node: Node, registry: CollectorRegistry
) -> AbstractAsyncContextManager[None]:
    return follow_revocations(
        "gateway",
        settings,
        backends.verifiers.users,
        auth=backends.auth,
        registry=registry,
        on_revoked=node.close_revoked,
    )


def _routers(
    settings: GatewaySettings, sender: Sender, presence_store: PresenceStore, state: NodeState
) -> list[APIRouter]:
    return [
        messages_router(sender),
        presence_router(presence_store, state.memberships),
        upgrade_router(),
        sockjs_router(settings.allowed_origins),
    ]


def _health(
    node: Node, consumer: LogConsumer, log: Log, live: Live, presence_store: PresenceStore
) -> Health:
    return Health(
        {"follower": consumer.ping, "admission": node.admission.ping},
        # Without them clients connect, read history and stay subscribed.
        optional={"log": log.ping, "live": live.ping, "presence": presence_store.ping},
    )


def _app(
    node: Node,
    backends: Backends,
    routers: list[APIRouter],
    health: Health,
    registry: CollectorRegistry,
) -> FastAPI:
    app = create_app(
        "gateway",
        node.context.settings,
        routers=routers,
        health=health,
        registry=registry,
        refusals=node.context.refusals,
    )
    secure(app, backends.verifiers)
    return app
