"""`python -m madang_common.log.setup`: declares the log in RabbitMQ, for services that may not.

Reads the settings of RabbitMQ and of the log (`MADANG_AMQP_…`, `MADANG_LOG_…`) from the
environment. Run it after all nodes of a cluster have joined: a stream gets its replicas when it is
declared. A repeated run only makes bindings again that RabbitMQ lost; another number of shards is
refused, and so is an epoch before one that exists. In a new epoch (`MADANG_LOG_EPOCH`) it ends all
epochs before, then declares the streams of the new one.
"""

import asyncio
import sys

from pydantic import ValidationError

from madang_common import logging, settings_errors
from madang_common.log.opening import open_log
from madang_common.log.port import LogError
from madang_common.settings import CannotStart, CommonSettings, Environment

NAME = "madang-log-setup"


def main() -> None:
    """Declare the log and return; exit with one line if that is not possible."""
    try:
        # It needs no secret of a service.
        settings = CommonSettings(environment=Environment.DEVELOPMENT)
        logging.configure(settings)
        asyncio.run(set_up(settings))
    except ValidationError as error:
        sys.exit(f"{NAME}: settings: {settings_errors.describe(error)}")
    except (CannotStart, LogError) as error:
        sys.exit(f"{NAME}: {error}")


async def set_up(settings: CommonSettings) -> None:
    """Declare the log in its epoch if it does not exist, and end the epochs before.

    Raise LogMismatch if its number of shards differs, or if the epoch has ended.
    """
    async with open_log(settings, service="setup", declare_even_if_exists=True):
        pass


if __name__ == "__main__":
    main()
