"""Connections to RabbitMQ: addresses, errors, and nodes that do not answer."""

import asyncio
import contextlib
import gc
import logging
import socket
import time
from collections.abc import AsyncIterator

import pytest
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ProbableAuthenticationError,
    PublishError,
)

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.amqp.errors import (
    AmqpNotFound,
    AmqpRefused,
    AmqpUnavailable,
    AmqpUnroutable,
    unavailable,
)


@pytest.fixture
def closed_port() -> int:
    """Return a port without a listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
async def mute() -> AsyncIterator[int]:
    """Return a port with a listener that never answers."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize(
    ("raised", "expected", "text"),
    [
        (ChannelNotFoundEntity("NOT_FOUND - no queue 'a' in vhost '/'"), AmqpNotFound, "no queue"),
        (ChannelNotFoundEntity("NOT_FOUND - no exchange 'a' in vhost '/'"), AmqpNotFound, "'a'"),
        (
            ChannelNotFoundEntity("NOT_FOUND - home node 'b' of durable queue 'a' is down"),
            AmqpUnavailable,
            "is down",
        ),
        (ChannelAccessRefused("ACCESS_REFUSED - no"), AmqpRefused, "ACCESS_REFUSED - no"),
        (ProbableAuthenticationError("ACCESS_REFUSED"), AmqpRefused, "ACCESS_REFUSED"),
        (ConnectionResetError(104, "reset by peer"), AmqpUnavailable, "reset by peer"),
        (asyncio.CancelledError(), AmqpUnavailable, "the connection ended"),
        (Exception(), AmqpUnavailable, "closed"),
        (PublishError.__new__(PublishError), AmqpUnroutable, "not accepted"),
    ],
)
async def test_errors_of_the_library_become_one_class(
    raised: BaseException, expected: type[AmqpUnavailable], text: str
) -> None:
    with pytest.raises(AmqpUnavailable, match=text) as caught, unavailable():
        raise raised

    assert caught.type is expected


async def test_programming_errors_are_not_converted() -> None:
    with pytest.raises(KeyError), unavailable():
        raise KeyError("mine")


async def test_a_task_that_is_cancelled_stays_cancelled() -> None:
    async def wait() -> None:
        with unavailable():
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_without_a_node_all_callers_get_the_error(closed_port: int) -> None:
    amqp = AmqpConnection(AmqpEndpoint.at(f"amqp://u:secret@127.0.0.1:{closed_port}/"), "test")

    expected = await asyncio.gather(*(amqp.connection() for _ in range(5)), return_exceptions=True)

    assert all(isinstance(error, AmqpUnavailable) for error in expected)
    assert not any("secret" in str(error) for error in expected)
    await amqp.close()


async def test_a_silent_node_times_out(mute: int) -> None:
    amqp = AmqpConnection(AmqpEndpoint.at(f"amqp://u:p@127.0.0.1:{mute}/"), "test")
    began = time.monotonic()

    with pytest.raises(AmqpUnavailable, match="no answer in time"):
        await amqp.connection()

    assert time.monotonic() - began < 6
    await amqp.close()


async def test_waiting_for_a_node_times_out(closed_port: int) -> None:
    amqp = AmqpConnection(AmqpEndpoint.at(f"amqp://u:p@127.0.0.1:{closed_port}/"), "test")

    with pytest.raises(AmqpUnavailable):
        await amqp.wait_for(0.5)

    await amqp.close()


async def test_closing_cancels_an_attempt(mute: int) -> None:
    amqp = AmqpConnection(AmqpEndpoint.at(f"amqp://u:p@127.0.0.1:{mute}/"), "test")
    asking = asyncio.create_task(amqp.connection())
    await asyncio.sleep(0.05)

    await amqp.close()

    with pytest.raises(AmqpUnavailable):
        await asking
    with pytest.raises(AmqpUnavailable, match="closed"):
        await amqp.connection()


async def test_a_cancelled_caller_does_not_affect_the_others(rabbitmq_url: str) -> None:
    amqp = AmqpConnection(AmqpEndpoint.at(rabbitmq_url), "test")
    leaving, staying = (asyncio.create_task(amqp.connection()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()

    connection = await staying

    assert await amqp.connection() is connection
    await amqp.close()


async def test_the_heartbeat_of_a_connection_is_short(rabbitmq_url: str) -> None:
    amqp = AmqpConnection(AmqpEndpoint.at(rabbitmq_url), "test")

    connection = await amqp.connection()

    assert 0 < connection.connection_tune.heartbeat < 10
    await amqp.close()


async def test_the_next_node_is_tried_when_one_does_not_answer(
    rabbitmq_url: str, closed_port: int
) -> None:
    before, at, after = rabbitmq_url.rpartition("@")
    for _ in range(4):
        amqp = AmqpConnection(
            AmqpEndpoint.at(f"{before}{at}127.0.0.1:{closed_port},{after}"), "test"
        )
        for _ in range(3):
            connection = await amqp.connection()
            await connection.close()
        await amqp.close()


async def test_a_wrong_password_is_a_refusal(rabbitmq_url: str) -> None:
    host = rabbitmq_url.rpartition("@")[2]
    amqp = AmqpConnection(AmqpEndpoint.at(f"amqp://madang:wrong@{host}"), "test")
    began = time.monotonic()

    with pytest.raises(AmqpRefused):
        await amqp.wait_for(60)

    assert time.monotonic() - began < 30
    await amqp.close()


async def test_channels_have_the_lowest_free_numbers(rabbitmq_url: str) -> None:
    amqp = AmqpConnection(AmqpEndpoint.at(rabbitmq_url), "test")
    first, second, third = [await amqp.channel() for _ in range(3)]
    await second.close()

    again = await amqp.channel()

    assert [channel.number for channel in (first, again, third)] == [1, 2, 3]
    await amqp.close()


@pytest.mark.filterwarnings("error")
async def test_a_failed_connection_leaves_no_garbage(
    closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    amqp = AmqpConnection(AmqpEndpoint.at(f"amqp://u:p@127.0.0.1:{closed_port}/v"), "test")
    # A log entry would keep a reference to the error, as pytest.raises does.
    caplog.set_level(logging.CRITICAL, "aiormq")
    gc.disable()
    try:
        with contextlib.suppress(AmqpUnavailable):
            await amqp.connection()
        await amqp.close()

        # The library's finalizer cannot close a connection from a thread that has no loop.
        await asyncio.to_thread(gc.collect)
    finally:
        gc.enable()
