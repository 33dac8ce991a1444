"""The only place that picks auth's adapters."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from madang_auth.accounts.accounts import Accounts
from madang_auth.accounts.operators import Operator
from madang_auth.accounts.service_clients import Clients
from madang_auth.api.accounts import accounts_router
from madang_auth.api.keys import keys_router
from madang_auth.api.logins import logins_router
from madang_auth.api.revocations import revocations_router
from madang_auth.api.service_tokens import service_tokens_router
from madang_auth.backends.directory import Directory
from madang_auth.expiry import sweep_forever
from madang_auth.metrics import AuthMetrics
from madang_auth.passwords.passwords import HashCost, HashQueue, Passwords
from madang_auth.sessions.issuer import Issuer, OwnServiceTokens
from madang_auth.sessions.logins import Logins
from madang_auth.sessions.notices import Notices
from madang_auth.sessions.port import Lifetimes, Sessions
from madang_auth.sessions.redis import RedisSessions
from madang_auth.sessions.refreshes import Refreshes
from madang_auth.sessions.sqlite import SqliteSessions
from madang_auth.settings import AuthSettings
from madang_auth.signing.keyring import Keyring
from madang_auth.signing.keys import make_first_key
from madang_auth.storage.redis import RedisStore
from madang_auth.throttle.bucket import Limit
from madang_auth.throttle.limiter import Limiter, Limits
from madang_auth.throttle.port import Throttle
from madang_auth.throttle.redis import RedisThrottle
from madang_auth.throttle.sqlite import SqliteThrottle
from madang_common import tasks
from madang_common.amqp.errors import AmqpUnavailable
from madang_common.clock import Clock
from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.client import create_client
from madang_common.http.security import secure
from madang_common.live.amqp import AmqpLive
from madang_common.live.inprocess import InProcessLive
from madang_common.live.port import Live
from madang_common.server import Served
from madang_common.tokens.service import ServiceAuth
from madang_common.tokens.verifier import Verifiers

log = structlog.get_logger()

_LIVE_SECONDS = 2.0
_CLOCKS_DIFFER_SECONDS = 60.0
"""How far the clocks of two machines may be apart."""


@asynccontextmanager
async def build(
    settings: AuthSettings,
    *,
    live: Live,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
) -> AsyncGenerator[FastAPI]:
    """Yield the running service; `transport` replaces the network towards rooms."""
    metrics = AuthMetrics(registry := CollectorRegistry())
    async with AsyncExitStack() as stack:
        sessions, throttle = await _stores(settings, stack)
        passwords = await _passwords(settings, metrics, stack)
        keyring = await asyncio.to_thread(_keyring, settings, clock)
        issuer = _issuer(settings, keyring, metrics, clock)
        directory = await _directory(settings, issuer, transport, clock, stack)
        gate = Limiter(throttle, limits(settings), metrics=metrics, clock=clock)
        notices = Notices(live, metrics=metrics, clock=clock)
        refreshes = Refreshes(sessions, directory, gate, issuer, notices, metrics, clock)
        logins = Logins(
            sessions,
            directory,
            passwords,
            gate,
            issuer,
            notices,
            metrics,
            clock,
            most_per_user=settings.logins_per_user,
        )
        accounts = Accounts(directory, passwords, logins, gate, metrics)
        clients = Clients(settings.service_secrets, issuer=issuer, gate=gate)
        app = create_app(
            "auth",
            settings,
            routers=[
                accounts_router(accounts),
                logins_router(logins, refreshes),
                keys_router(keyring, max_age_seconds=settings.jwks_max_age_seconds),
                service_tokens_router(clients, seconds=settings.service_token_seconds),
                revocations_router(logins),
            ],
            health=Health({"sessions": sessions.ping, "rooms": directory.ping}),
            registry=registry,
        )
        app.state.logins = logins
        app.state.operator = Operator(directory, sessions, notices, clock)
        await _trust_itself(app, settings, clock, stack)
        app.state.works = _background(settings, sessions, throttle, keyring, clock, stack)
        yield app


@asynccontextmanager
async def serve(settings: AuthSettings) -> AsyncGenerator[Served]:
    """Run auth on RabbitMQ and Redis, for a process of its own."""
    url = settings.required("amqp_url")
    settings.required("redis_url")
    async with AsyncExitStack() as stack:
        live = await AmqpLive.open(url, name="auth")
        stack.push_async_callback(live.close)
        app = await stack.enter_async_context(build(settings, live=live))
        yield Served(app, works=app.state.works)


@asynccontextmanager
async def operate(settings: AuthSettings) -> AsyncGenerator[Operator]:
    """Yield what an operator's command asks, on the Redis of the processes that serve."""
    settings.required("redis_url")
    async with AsyncExitStack() as stack:
        live = await _live_at_best(settings.required("amqp_url"))
        stack.push_async_callback(live.close)
        app = await stack.enter_async_context(build(settings, live=live))
        operator: Operator = app.state.operator
        yield operator


async def _live_at_best(url: str) -> Live:
    """Return the way to everyone who listens; with RabbitMQ away, one that reaches nobody.

    Whoever hears of no ended login asks within a second.
    """
    try:
        return await AmqpLive.open(url, name="auth", patience_seconds=_LIVE_SECONDS)
    except AmqpUnavailable as error:
        log.warning("live_away", error=str(error))
        return InProcessLive()


async def _stores(settings: AuthSettings, stack: AsyncExitStack) -> tuple[Sessions, Throttle]:
    lifetimes = Lifetimes(
        idle=settings.refresh_idle_seconds,
        absolute=settings.refresh_absolute_seconds,
        grace=settings.refresh_grace_seconds,
        told=settings.access_token_seconds + _CLOCKS_DIFFER_SECONDS,
    )
    sessions: Sessions
    throttle: Throttle
    if settings.redis_url is None:
        folder = settings.data_dir / "auth"
        sessions = await SqliteSessions.open_file(folder / "sessions.db", lifetimes)
        stack.push_async_callback(sessions.close)
        throttle = await SqliteThrottle.open_file(folder / "throttle.db")
    else:
        redis = RedisStore.at(
            settings.redis_url.get_secret_value(),
            connections=settings.redis_connections,
            timeout_seconds=settings.redis_timeout_seconds,
        )
        sessions, throttle = RedisSessions(redis, lifetimes), RedisThrottle(redis)
    stack.push_async_callback(throttle.close)
    return sessions, throttle


async def _passwords(
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


def _issuer(settings: AuthSettings, keyring: Keyring, metrics: AuthMetrics, clock: Clock) -> Issuer:
    return Issuer(
        keyring,
        issuer=settings.issuer,
        access_seconds=settings.access_token_seconds,
        service_seconds=settings.service_token_seconds,
        metrics=metrics,
        clock=clock,
    )


async def _directory(
    settings: AuthSettings,
    issuer: Issuer,
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


async def _trust_itself(
    app: FastAPI, settings: AuthSettings, clock: Clock, stack: AsyncExitStack
) -> None:
    """Let `app` verify tokens by its own page of keys, as the other services do."""
    itself = create_client(settings.auth_url, transport=httpx.ASGITransport(app))
    await stack.enter_async_context(itself)
    secure(app, Verifiers.asking(itself, issuer=settings.issuer, clock=clock))


def limits(settings: AuthSettings) -> Limits:
    """Return what the settings allow of each thing."""
    failures = settings.login_failures_window_seconds
    tries = settings.login_tries_window_seconds
    return Limits(
        login_username_address=Limit(settings.login_failures_per_username_and_address, failures),
        login_username=Limit(settings.login_failures_per_username, failures),
        login_address=Limit(settings.login_failures_per_address, failures),
        login_tries=Limit(settings.login_tries_per_address, tries),
        login_successes=Limit(settings.login_successes_per_user, tries),
        password_changes=Limit(
            settings.password_changes_per_user, settings.password_changes_window_seconds
        ),
        refreshes=Limit(settings.refreshes_per_user, settings.refreshes_window_seconds),
        registration=Limit(
            settings.registrations_per_address, settings.registrations_window_seconds
        ),
        client=Limit(settings.client_failures_per_address, settings.client_failures_window_seconds),
        known_sites=settings.login_known_addresses,
        known_seconds=settings.login_known_address_seconds,
    )


def _background(
    settings: AuthSettings,
    sessions: Sessions,
    throttle: Throttle,
    keyring: Keyring,
    clock: Clock,
    stack: AsyncExitStack,
) -> list[asyncio.Task[None]]:
    sweep = sweep_forever(sessions, throttle, pause_seconds=settings.sweep_seconds, clock=clock)
    follow = keyring.follow(settings.signing_keys_poll_seconds)
    return [
        tasks.start(stack, "auth-sweep", sweep),
        tasks.start(stack, "auth-keys", follow),
    ]
