"""Results of commands: exit codes, and errors in one line."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

import typer

from madang_client.cli.plain import plain
from madang_client.errors import LoggedOut, MadangError, NotReachable

REFUSED = 1
NOT_REACHABLE = 3
NOT_LOGGED_IN = 4
INTERRUPTED = 130


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; on an error, print it in one line and exit."""
    try:
        asyncio.run(work)
    except NotReachable as error:
        fail(str(error), NOT_REACHABLE)
    except LoggedOut as error:
        fail(f"{error} (madang login)", NOT_LOGGED_IN)
    except (MadangError, OSError) as error:
        fail(str(error) or type(error).__name__)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def fail(sentence: str, code: int = REFUSED) -> None:
    """Print an error and exit."""
    sys.stderr.write(f"madang: {plain(' '.join(sentence.split()))}\n")
    raise typer.Exit(code)
