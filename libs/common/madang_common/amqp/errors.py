"""What can go wrong with RabbitMQ, told in two classes whatever the client library raised.

AmqpUnavailable   RabbitMQ cannot be reached; whether it did what was asked is not known
└── AmqpRefused   it answers, and does not let this user in or do this
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ConnectionNotAllowed,
    DeliveryError,
    ProbableAuthenticationError,
)


class AmqpUnavailable(ConnectionError):  # noqa: N818 - reads as the state it tells
    """RabbitMQ cannot be reached; whether it did what was asked is not known."""


class AmqpRefused(AmqpUnavailable):
    """RabbitMQ answers, and does not let this user in or do this."""


_REFUSALS = (
    AuthenticationError,
    ChannelAccessRefused,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)


@contextmanager
def unavailable() -> Iterator[None]:
    """Raise AmqpUnavailable for whatever the client library raises inside.

    A connection that ends cancels what waits on it. Only a cancellation that was meant for the task
    itself stays one.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise AmqpUnavailable("the connection ended") from None
    except AmqpUnavailable:
        raise
    except _REFUSALS as error:
        raise AmqpRefused(_told(error)) from error
    except (AMQPError, ChannelInvalidStateError, OSError, EOFError, RuntimeError) as error:
        raise AmqpUnavailable(_told(error)) from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        # What waits on a channel that is closed without a reason gets this and nothing else.
        raise AmqpUnavailable("the channel was closed") from error


@asynccontextmanager
async def answer_within(seconds: float) -> AsyncIterator[None]:
    """Raise AmqpUnavailable for whatever goes wrong inside, or takes longer than `seconds`."""
    with unavailable():
        async with asyncio.timeout(seconds):
            yield


def _told(error: BaseException) -> str:
    """Return the broker's own text where there is one."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, DeliveryError):
        return f"not taken: {' '.join(str(part) for part in error.args if part)}"
    words = [str(part) for part in error.args if part]
    return words[-1] if words else type(error).__name__
