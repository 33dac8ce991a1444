import asyncio
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Generator

import pytest
import structlog

from madang_common.logging import configure
from madang_common.settings import CommonSettings, Environment, LogFormat

log = structlog.get_logger()

Start = Callable[..., io.StringIO]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Generator[Start]:
    """Yield a function that configures logging and returns the output; restore it afterwards."""
    root = logging.getLogger()
    handlers, before = root.handlers, root.level

    def start(log_format: LogFormat, level: str = "INFO") -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        configure(
            CommonSettings(
                environment=Environment.DEVELOPMENT, log_format=log_format, log_level=level
            )
        )
        structlog.configure(cache_logger_on_first_use=False)
        return stream

    yield start
    root.handlers = handlers
    root.setLevel(before)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_both_ways_to_log_write_the_same_kind_of_line(started: Start) -> None:
    stream = started(LogFormat.JSON)
    structlog.contextvars.bind_contextvars(request_id="r1")

    log.info("door_opened", key=7)
    logging.getLogger("of.a.library").info("door %s", "opened")

    ours, theirs = map(json.loads, stream.getvalue().splitlines())
    assert ours.pop("timestamp")[:2] == theirs.pop("timestamp")[:2] == "20"
    both = {"level": "info", "request_id": "r1"}
    assert ours == both | {"event": "door_opened", "key": 7, "logger": __name__}
    assert theirs == both | {"event": "door opened", "logger": "of.a.library"}


def test_lower_levels_are_not_logged(started: Start) -> None:
    stream = started(LogFormat.JSON, level="warning")

    log.info("door_opened")
    logging.getLogger("of.a.library").info("door opened")

    assert stream.getvalue() == ""


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_an_error_is_logged_with_its_cause(started: Start, log_format: LogFormat) -> None:
    stream = started(log_format)

    try:
        os.environ["NO_SUCH_DOOR"]
    except LookupError:
        log.exception("door_jammed")

    written = stream.getvalue()
    assert "door_jammed" in written
    assert "KeyError" in written
    assert "NO_SUCH_DOOR" in written


async def test_lines_of_one_turn_of_the_event_loop_share_a_write(
    started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = started(LogFormat.JSON)
    writes: list[str] = []
    monkeypatch.setattr(stream, "write", writes.append)

    for number in range(3):
        log.info("door_opened", key=number)
    assert writes == []
    await asyncio.sleep(0)
    log.info("door_closed")
    await asyncio.sleep(0)

    assert [write.count("\n") for write in writes] == [3, 1]
    assert [json.loads(line)["key"] for line in writes[0].splitlines()] == [0, 1, 2]


def test_lines_of_the_last_turn_are_written(started: Start) -> None:
    stream = started(LogFormat.JSON)
    loop = asyncio.new_event_loop()
    try:
        loop.call_soon(log.info, "last_words")
        loop.call_soon(loop.stop)
        loop.run_forever()

        async def speak() -> None:
            log.info("of_another_loop")

        asyncio.run(speak())
    finally:
        loop.close()

    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["last_words", "of_another_loop"]
