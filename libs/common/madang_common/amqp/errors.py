"""Errors of RabbitMQ, in two classes for everything that the client library raises.

AmqpUnavailable      RabbitMQ does not answer; the operation may or may not have happened
├── AmqpRefused      RabbitMQ refuses the user or the operation
├── AmqpNotFound     the queue or the exchange does not exist
└── AmqpUnroutable   no queue is bound for the message, which was not stored
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ConnectionNotAllowed,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)


class AmqpUnavailable(ConnectionError):  # noqa: N818 - names a state
    """RabbitMQ does not answer; the operation may or may not have happened."""


class AmqpRefused(AmqpUnavailable):
    """RabbitMQ refuses the user or the operation."""


class AmqpNotFound(AmqpUnavailable):
    """The queue or the exchange does not exist."""


class AmqpUnroutable(AmqpUnavailable):
    """No queue is bound for the message, which was not stored."""


_NO_SUCH_NAME = ("no queue '", "no exchange '")
"""In RabbitMQ's text. It also answers NOT_FOUND for a queue whose node is down."""
_REFUSALS = (
    AuthenticationError,
    ChannelAccessRefused,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)


@contextmanager
def unavailable() -> Iterator[None]:
    """Convert the client library's exceptions to AmqpUnavailable or one of its subclasses.

    When a connection closes, the library cancels its waiting callers. Such a CancelledError is
    converted too; one that was requested for the task itself is raised as it is.
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
        raise AmqpRefused(_reason(error)) from error
    except PublishError as error:
        raise AmqpUnroutable(_reason(error)) from error
    except ChannelNotFoundEntity as error:
        reason = _reason(error)
        missing = any(words in reason for words in _NO_SUCH_NAME)
        raise (AmqpNotFound if missing else AmqpUnavailable)(reason) from error
    except (AMQPError, ChannelInvalidStateError, OSError, EOFError, RuntimeError) as error:
        raise AmqpUnavailable(_reason(error)) from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        # Raised to callers that wait on a channel which is closed without a reason.
        raise AmqpUnavailable("the channel was closed") from error


@asynccontextmanager
async def answer_within(seconds: float) -> AsyncIterator[None]:
    """As `unavailable`, and raise AmqpUnavailable after `seconds`."""
    with unavailable():
        async with asyncio.timeout(seconds):
            yield


def _reason(error: BaseException) -> str:
    """Return the broker's text, or a description of `error` without one."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, DeliveryError):
        return f"not accepted: {' '.join(str(part) for part in error.args if part)}"
    words = [str(part) for part in error.args if part]
    return words[-1] if words else type(error).__name__
