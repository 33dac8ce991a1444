"""A real process: ready line, signals, errors at the start."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

PROGRAM = """
import asyncio
import os
from contextlib import asynccontextmanager

from pydantic import SecretStr
from starlette.responses import PlainTextResponse

from madang_common import server
from madang_common.settings import CannotStart, CommonSettings, required


DRAINS = "MADANG_TEST_DRAINS" in os.environ
BREAKS = "MADANG_TEST_BREAKS" in os.environ
WAITS = "MADANG_TEST_WAITS" in os.environ
INTERRUPTED = os.environ.get("MADANG_TEST_INTERRUPTED")
# Number of a signal that comes after the build, before uvicorn handles signals.


class Settings(CommonSettings):
    needed: SecretStr | None = None


@asynccontextmanager
async def build(settings):
    required(settings.needed, "needed")
    if WAITS:
        print("waiting", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            print("closed", flush=True)

    async def app(scope, receive, send):
        await PlainTextResponse(f"hello {scope['client'][0]}")(scope, receive, send)

    async def drain(hurry):
        print("draining", flush=True)
        await hurry.wait()
        print("hurrying", flush=True)

    async def work():
        if BREAKS:
            raise ValueError("something unforeseen")
        await asyncio.Event().wait()

    works = [asyncio.create_task(work(), name="the work")]
    facts = {"docs": "{url}/docs"}
    yield server.Served(app, drain=drain if DRAINS else None, tasks=works, facts=facts)
    print("closed", flush=True)


duplicates = server.listener.duplicates


def interrupted_duplicates(bound):
    os.kill(os.getpid(), int(INTERRUPTED))
    return duplicates(bound)


if INTERRUPTED:
    server.listener.duplicates = interrupted_duplicates
server.run("madang-test", Settings, build)
"""
SETTINGS = {"MADANG_PORT": "0", "MADANG_ENVIRONMENT": "development", "MADANG_NEEDED": "it"}
READY = "madang-test is ready: "


@contextmanager
def process(**settings: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | SETTINGS | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(READY), process.communicate()
    assert line.endswith(f" (pid {process.pid})\n")
    return line.split()[-3]


def refusal(**settings: str) -> str:
    with process(**settings) as failing:
        out, err = failing.communicate(timeout=20)
        assert (failing.returncode, out) == (1, "")
        return err.strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_closes_everything(number: signal.Signals) -> None:
    with process() as running:
        assert httpx.get(url_of(running)).text == "hello 127.0.0.1"
        running.send_signal(number)
        out, _ = running.communicate(timeout=20)

    assert (running.returncode, out) == (0, "closed\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_interrupts_a_start_that_waits(number: signal.Signals) -> None:
    with process(MADANG_TEST_WAITS="1") as starting:
        assert starting.stdout is not None
        assert starting.stdout.readline() == "waiting\n"
        starting.send_signal(number)
        out, _ = starting.communicate(timeout=20)

    assert (starting.returncode, out) == (0, "closed\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_between_the_build_and_the_start_of_the_server_is_not_lost(
    number: signal.Signals,
) -> None:
    with process(MADANG_TEST_INTERRUPTED=str(int(number))) as starting:
        out, err = starting.communicate(timeout=20)

    assert (starting.returncode, out.splitlines()[-1]) == (0, "closed"), err
    assert "Traceback" not in err


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_it_drains_while_it_serves_and_a_second_signal_ends_the_drain(
    second: signal.Signals,
) -> None:
    with process(MADANG_TEST_DRAINS="yes") as running:
        url = url_of(running)
        running.send_signal(signal.SIGTERM)
        assert running.stdout is not None
        assert running.stdout.readline() == "draining\n"
        assert httpx.get(url).text == "hello 127.0.0.1"
        running.send_signal(second)
        out, _ = running.communicate(timeout=20)

    assert (running.returncode, out) == (0, "hurrying\nclosed\n")


def test_an_interrupt_skips_the_drain() -> None:
    with process(MADANG_TEST_DRAINS="yes") as running:
        url_of(running)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=20)

    assert (running.returncode, out) == (0, "draining\nhurrying\nclosed\n")


def test_the_end_of_a_background_task_ends_the_process() -> None:
    with process(MADANG_TEST_BREAKS="yes") as broken:
        out, err = broken.communicate(timeout=20)

    assert broken.returncode == 1
    assert out.endswith("closed\n")
    assert "something unforeseen" in out + err
    assert err.endswith("madang-test: the work has ended\n")


def test_a_console_start_prints_all_facts() -> None:
    with process(MADANG_LOG_FORMAT="console") as running:
        url = url_of(running)
        assert running.stdout is not None
        assert running.stdout.readline() == f"  docs:            {url}/docs\n"
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=20)

    assert out == "closed\n"
    assert "ready" not in err


def test_a_json_start_logs_the_facts() -> None:
    with process(MADANG_LOG_FORMAT="json") as running:
        url = url_of(running)
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=20)

    lines = [json.loads(line) for line in err.splitlines()]
    (ready,) = (line for line in lines if line["event"] == "ready")
    assert (ready["url"], ready["pid"], ready["docs"]) == (url, running.pid, f"{url}/docs")
    assert out == "closed\n"


def test_a_misspelt_setting_is_logged_and_does_not_prevent_the_start() -> None:
    with process(MADANG_TAIL_BYTE="1") as running:
        url_of(running)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=20)

    lines = [json.loads(line) for line in err.splitlines()]
    message = [line for line in lines if line["event"] == "unknown_setting"]
    assert [(line["level"], line["setting"], line["closest"]) for line in message] == [
        ("warning", "MADANG_TAIL_BYTE", "MADANG_TAIL_BYTES")
    ]


def test_a_misspelt_setting_is_reported_with_invalid_settings() -> None:
    message = refusal(MADANG_PORT="99999", MADANG_PROT="8000")

    assert message.startswith("madang-test: settings: MADANG_PORT=99999: ")
    assert message.endswith("; MADANG_PROT is not a setting; did you mean MADANG_PORT?")


def test_a_missing_setting_is_reported() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(SETTINGS, "MADANG_NEEDED")
        assert refusal() == "madang-test: MADANG_NEEDED must be set"


def test_an_invalid_setting_is_reported_with_its_value_and_the_allowed_ones() -> None:
    assert refusal(MADANG_REQUEST_SECONDS="soon", MADANG_PROXY_ADDRESSES="proxy") == (
        "madang-test: settings: MADANG_REQUEST_SECONDS=soon: give a number of more than 0; "
        "MADANG_PROXY_ADDRESSES=proxy: 'proxy' is not an IP address or network; one is 10.0.0.0/8"
    )


def test_idle_connections_are_kept_longer_than_by_clients() -> None:
    """Uvicorn's default of 5 s equals that of httpx clients, which then lose requests."""
    with process() as running:
        host, _, port = url_of(running).removeprefix("http://").partition(":")
        client = http.client.HTTPConnection(host, int(port), timeout=10)
        client.request("GET", "/")
        client.getresponse().read()
        kept = client.sock

        time.sleep(5.3)
        client.request("POST", "/")
        answer = client.getresponse().read()

        assert client.sock is kept
        assert answer == b"hello 127.0.0.1"
        client.close()


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        message = refusal(MADANG_PORT=str(port))

    assert message.startswith(f"madang-test: cannot listen on 127.0.0.1:{port}: ")
    assert "or set another MADANG_PORT" in message


@pytest.mark.parametrize(
    ("proxies", "seen"), [("[]", "127.0.0.1"), ('["127.0.0.0/8"]', "203.0.113.7")]
)
def test_a_forwarded_address_is_used_from_trusted_proxies_only(proxies: str, seen: str) -> None:
    with process(MADANG_PROXY_ADDRESSES=proxies) as running:
        answer = httpx.get(url_of(running), headers={"X-Forwarded-For": "203.0.113.7"})

    assert answer.text == f"hello {seen}"
