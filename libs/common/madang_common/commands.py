"""Commands of the services that run beside them and print a result."""

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pydantic import ValidationError

from madang_common import logging, settings_errors
from madang_common.settings import CannotStart, CommonSettings

S = TypeVar("S", bound=CommonSettings)
R = TypeVar("R")

_INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells give it: 128 and the number of SIGINT."""


def result_of(
    command: str,
    read_settings: Callable[[], S],
    run: Callable[[S], Coroutine[Any, Any, R]],
    errors: tuple[type[Exception], ...],
    *,
    status: int = 1,
    log_level: str | None = "WARNING",
) -> R:
    """Return what `run` returns; exit with `status` and one line if it cannot do its work.

    `command` is the program and the command, as its user types them; `errors` are what it raises
    beside CannotStart and OSError. `log_level` replaces the one in the settings unless it is None.
    """
    expected: tuple[type[Exception], ...] = (CannotStart, OSError, *errors)
    # As the process that serves: new files are private to their owner.
    os.umask(0o077)
    try:
        settings = read_settings()
        update = {} if log_level is None else {"log_level": log_level}
        logging.configure(settings.model_copy(update=update))
        return asyncio.run(run(settings))
    except ValidationError as error:
        reason = f"settings: {settings_errors.describe(error)}"
    except expected as error:
        reason = _reason(error)
    except KeyboardInterrupt:
        reason, status = "interrupted", _INTERRUPTED
    except Exception:  # noqa: BLE001 - a defect, whose status must not be that of a result
        traceback.print_exc()
        reason = "unexpected error"
    sys.stderr.write(f"{command}: {reason}\n")
    sys.exit(status)


def _reason(error: Exception) -> str:
    """Return the text of `error` with its cause, unless the text has it already."""
    # SQLAlchemy's own text has the statement and its parameters, which may be secret.
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    text, of_cause = str(error), "" if cause is None else str(cause)
    return text if of_cause in text else f"{text.rstrip('.')}: {of_cause}"
