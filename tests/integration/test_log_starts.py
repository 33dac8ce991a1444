"""Processes of gateway and rooms do not start on another log than history or RabbitMQ has."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.log.amqp import AmqpLog
from stack import launching
from stack.stack import Stack
from tests.support.http_server import Answer, Request, http_server

PATIENCE_SECONDS = 60

pytestmark = pytest.mark.parametrize("service", ["gateway", "rooms"])


def start(stack: Stack, service: str, amqp_url: str, **changes: str) -> tuple[int, str]:
    """Start a process with the stack's servers and another RabbitMQ; return code and last line."""
    environment = {
        name: value
        for name, value in stack.settings_of(service).items()
        if not name.startswith("MADANG_AMQP_")
    }
    return _run(service, environment | {"MADANG_AMQP_URL": amqp_url, "MADANG_PORT": "0"} | changes)


def _run(service: str, environment: Mapping[str, str]) -> tuple[int, str]:
    ended = launching.run(f"madang_{service}", env=environment, seconds=PATIENCE_SECONDS)
    return ended.status, ended.errors.splitlines()[-1]


def test_with_other_shards_than_history(
    stack: Stack, rabbitmq_vhost_url: str, service: str
) -> None:
    code, line = start(stack, service, rabbitmq_vhost_url, MADANG_LOG_SHARDS="3")

    assert code == 1
    assert line == (
        f"madang-{service}: history has 2 shards in epoch 0 of the log, this process has 3: "
        "set MADANG_LOG_SHARDS=2, or begin a new epoch (docs/runbooks/change-shards.md)"
    )


def test_in_an_earlier_epoch_than_history(
    stack: Stack, rabbitmq_vhost_url: str, service: str
) -> None:
    def answer(request: Request) -> Answer:
        assert request.path == "/internal/log"
        return Answer(json.dumps({"epoch": 4, "shards": 6}).encode())

    with http_server(answer) as history:
        url = f"http://{history}"
        code, line = start(stack, service, rabbitmq_vhost_url, MADANG_HISTORY_URL=url)

    assert code == 1
    assert line == (
        f"madang-{service}: history is in epoch 4 of the log, this process in 0: "
        "set MADANG_LOG_EPOCH=4 and MADANG_LOG_SHARDS=6"
    )


def test_when_history_answers_late(stack: Stack, rabbitmq_vhost_url: str, service: str) -> None:
    answers = iter([503, 503, 503])

    def answer(_: Request) -> Answer:
        status = next(answers, 200)
        return Answer(json.dumps({"epoch": 1, "shards": 2}).encode(), status)

    with http_server(answer) as history:
        url = f"http://{history}"
        code, line = start(stack, service, rabbitmq_vhost_url, MADANG_HISTORY_URL=url)

    assert code == 1
    assert line.endswith("set MADANG_LOG_EPOCH=1 and MADANG_LOG_SHARDS=2")


def test_in_an_earlier_epoch_than_rabbitmq(
    stack: Stack, rabbitmq_vhost_url: str, service: str
) -> None:
    async def begin() -> None:
        log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), 2, epoch=1)
        await log.close()

    asyncio.run(begin())

    code, line = start(stack, service, rabbitmq_vhost_url)

    assert code == 1
    assert line == f"madang-{service}: RabbitMQ has epoch 1 of the log: set MADANG_LOG_EPOCH=1"
