"""Builds auth: the only place that chooses adapters."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from madang_auth.accounts.accounts import Accounts
from madang_auth.accounts.service_clients import ServiceClients
from madang_auth.accounts.user_admin import UserAdmin
from madang_auth.api.accounts import accounts_router
from madang_auth.api.keys import keys_router
from madang_auth.api.login import login_router
from madang_auth.api.revocations import revocations_router
from madang_auth.api.service_tokens import service_tokens_router
from madang_auth.api.sessions import sessions_router
from madang_auth.backends.directory import Directory
from madang_auth.metrics import AuthMetrics, KeyMetrics
from madang_auth.passwords.passwords import HashCost, HashQueue, Passwords
from madang_auth.sessions.issuer import OwnServiceTokens, TokenIssuer
from madang_auth.sessions.notices import SessionNotices
from madang_auth.sessions.port import Lifetimes, SessionStore
from madang_auth.sessions.redis import RedisSessionStore
from madang_auth.sessions.refreshes import Refreshes
from madang_auth.sessions.sessions import Sessions
from madang_auth.sessions.sqlite import SqliteSessionStore
from madang_auth.settings import AuthSettings
from madang_auth.signing.keyring import Keyring
from madang_auth.signing.keys import make_first_key
from madang_auth.storage.expiry import delete_expired_forever
from madang_auth.storage.redis import RedisStore
from madang_auth.throttle.limiter import Limiter, limits_of
from madang_auth.throttle.port import Throttle
from madang_auth.throttle.redis import RedisThrottle
from madang_auth.throttle.sqlite import SqliteThrottle
from madang_common import tasks
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.amqp.errors import AmqpUnavailable
from madang_common.clock import Clock
from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.client import create_client
from madang_common.http.internal import in_process
from madang_common.http.security import secure
from madang_common.live.amqp import AmqpLive
from madang_common.live.inprocess import InProcessLive
from madang_common.live.port import Live
from madang_common.server import Served
from madang_common.tokens.service import ServiceAuth
from madang_common.tokens.verifier import Verifiers

log = structlog.get_logger()

_LIVE_SECONDS = 2.0
"""Longest wait of a `users` command for RabbitMQ."""
_CLOCK_SKEW_SECONDS = 60.0
"""Largest difference between the clocks of two machines."""


@asynccontextmanager
async def build(
    settings: AuthSettings,
    *,
    live: Live,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
) -> AsyncIterator[FastAPI]:
    """Run auth and yield its app.

    `transport` replaces the network to rooms; `app.state.tasks` are the background tasks.
    """
    registry = CollectorRegistry()
    metrics = AuthMetrics(registry)
    async with AsyncExitStack() as stack:
        store, throttle = await _open_stores(settings, stack)
        passwords = await _start_passwords(settings, metrics, stack)
        keyring = await asyncio.to_thread(_keyring, settings, clock)
        KeyMetrics(registry, lambda: keyring.uses, lambda: keyring.error is not None)
        issuer = _issuer(settings, keyring, metrics, clock)
        directory = await _open_directory(settings, issuer, transport, clock, stack)
        limiter = Limiter(throttle, limits_of(settings), metrics=metrics, clock=clock)
        notices = SessionNotices(live, metrics=metrics, clock=clock)
        refreshes = Refreshes(store, directory, limiter, issuer, notices, metrics, clock)
        sessions = Sessions(
            store, directory, passwords, limiter, issuer, notices, metrics, settings, clock
        )
        accounts = Accounts(directory, passwords, sessions, limiter, metrics)
        clients = ServiceClients(settings.service_secrets, issuer=issuer, limiter=limiter)
        background_tasks = _start_tasks(settings, store, throttle, keyring, clock, stack)
        app = create_app(
            "auth",
            settings,
            routers=[
                accounts_router(accounts),
                login_router(sessions, refreshes),
                sessions_router(sessions),
                keys_router(keyring, max_age_seconds=settings.jwks_max_age_seconds),
                service_tokens_router(clients, seconds=settings.service_token_seconds),
                revocations_router(sessions),
            ],
            # Without both, auth still publishes its keys, which all services need.
            health=Health({}, optional={"sessions": store.ping, "rooms": directory.ping}),
            registry=registry,
        )
        await _verify_own_tokens(app, settings, clock, stack)
        app.state.sessions = sessions
        app.state.user_admin = UserAdmin(directory, store, notices, clock)
        app.state.tasks = background_tasks
        yield app


@asynccontextmanager
async def serve(settings: AuthSettings) -> AsyncIterator[Served]:
    """Run auth on RabbitMQ and Redis, in a process of its own."""
    settings.require_redis()
    async with AsyncExitStack() as stack:
        live = await AmqpLive.open(
            settings.require_amqp(), name="auth", patience_seconds=settings.start_seconds
        )
        stack.push_async_callback(live.close)
        app = await stack.enter_async_context(build(settings, live=live))
        yield Served(app, tasks=app.state.tasks)


@asynccontextmanager
async def open_user_admin(settings: AuthSettings) -> AsyncIterator[UserAdmin]:
    """Yield the operations of the `users` command, on the Redis of the serving processes."""
    settings.require_redis()
    async with AsyncExitStack() as stack:
        live = await _live_if_available(settings.require_amqp())
        stack.push_async_callback(live.close)
        app = await stack.enter_async_context(build(settings, live=live))
        users: UserAdmin = app.state.user_admin
        yield users


async def _live_if_available(endpoint: AmqpEndpoint) -> Live:
    """Return live events over RabbitMQ; if it is unavailable, events within this process only.

    Without a notice, the other services read the ended sessions within a second.
    """
    try:
        return await AmqpLive.open(endpoint, name="auth", patience_seconds=_LIVE_SECONDS)
    except AmqpUnavailable as error:
        log.warning("live_away", error=str(error))
        return InProcessLive()


async def _open_stores(
    settings: AuthSettings, stack: AsyncExitStack
) -> tuple[SessionStore, Throttle]:
    lifetimes = Lifetimes(
        idle=settings.refresh_idle_seconds,
        absolute=settings.refresh_absolute_seconds,
        grace=settings.refresh_grace_seconds,
        ended_kept=settings.access_token_seconds + _CLOCK_SKEW_SECONDS,
    )
    store: SessionStore
    throttle: Throttle
    if settings.redis is None:
        folder = settings.data_dir / "auth"
        store = await SqliteSessionStore.open_file(folder / "sessions.db", lifetimes)
        stack.push_async_callback(store.close)
        throttle = await SqliteThrottle.open_file(folder / "throttle.db")
    else:
        redis = RedisStore.at(
            settings.redis,
            connections=settings.redis_connections,
            timeout_seconds=settings.redis_timeout_seconds,
        )
        store, throttle = RedisSessionStore(redis, lifetimes), RedisThrottle(redis)
    stack.push_async_callback(throttle.close)
    return store, throttle


async def _start_passwords(
    settings: AuthSettings, metrics: AuthMetrics, stack: AsyncExitStack
) -> Passwords:
    cost = HashCost(
        passes=settings.password_hash_passes,
        memory_kib=settings.password_hash_memory_kib,
        lanes=settings.password_hash_lanes,
    )
    queue = HashQueue(
        workers=settings.password_hash_workers,
        waiting=settings.password_hashes_waiting,
        waiting_per_site=settings.password_hashes_waiting_per_address,
        seconds=settings.password_hash_wait_seconds,
    )
    passwords = await Passwords.start(cost, queue, metrics=metrics)
    stack.push_async_callback(asyncio.to_thread, passwords.close)
    return passwords


def _keyring(settings: AuthSettings, clock: Clock) -> Keyring:
    if settings.signing_keys_dir is not None:
        return Keyring(settings.signing_keys_dir)
    folder = settings.data_dir / "auth" / "keys"
    make_first_key(folder, clock)
    return Keyring(folder)


def _issuer(
    settings: AuthSettings, keyring: Keyring, metrics: AuthMetrics, clock: Clock
) -> TokenIssuer:
    return TokenIssuer(
        keyring,
        issuer=settings.issuer,
        access_seconds=settings.access_token_seconds,
        service_seconds=settings.service_token_seconds,
        metrics=metrics,
        clock=clock,
    )


async def _open_directory(
    settings: AuthSettings,
    issuer: TokenIssuer,
    transport: httpx.AsyncBaseTransport | None,
    clock: Clock,
    stack: AsyncExitStack,
) -> Directory:
    rooms = create_client(
        settings.rooms_url,
        auth=ServiceAuth(OwnServiceTokens(issuer, clock=clock)),
        transport=transport,
        timeout_seconds=settings.directory_timeout_seconds,
    )
    return Directory(await stack.enter_async_context(rooms))


async def _verify_own_tokens(
    app: FastAPI, settings: AuthSettings, clock: Clock, stack: AsyncExitStack
) -> None:
    """Let `app` verify tokens with the keys that it publishes, as the other services do."""
    own_keys = create_client(settings.auth_url, transport=httpx.ASGITransport(in_process(app)))
    await stack.enter_async_context(own_keys)
    secure(app, Verifiers.from_jwks(own_keys, issuer=settings.issuer, clock=clock))


def _start_tasks(
    settings: AuthSettings,
    store: SessionStore,
    throttle: Throttle,
    keyring: Keyring,
    clock: Clock,
    stack: AsyncExitStack,
) -> list[asyncio.Task[None]]:
    stores = {"logins": store.delete_expired, "buckets": throttle.delete_expired}
    expire = delete_expired_forever(stores, pause_seconds=settings.sweep_seconds, clock=clock)
    follow = keyring.follow(settings.signing_keys_poll_seconds)
    return [
        tasks.start(stack, "auth-expiry", expire),
        tasks.start(stack, "auth-keys", follow),
    ]
