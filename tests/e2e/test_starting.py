"""A failed start prints one line with the setting, its value and the allowed values."""

import os
import signal
import socket
from pathlib import Path

import pytest

from stack import launching
from tests.e2e.embedded import Embedded


def refusal(folder: Path, **settings: str) -> str:
    """Return the one line with which a start of the embedded form ends."""
    env = os.environ | {"MADANG_DATA_DIR": str(folder / "data"), "MADANG_PORT": "0"} | settings
    ended = launching.run("madang_standalone", env=env, seconds=60)
    assert (ended.status, ended.out) == (1, "")
    assert ended.errors.count("\n") == 1, ended.errors
    return ended.errors.strip()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ALLOWED_ORIGINS", "https://app.example/path", "more than scheme, host and port"),
        ("ALLOWED_HOSTS", "https://chat.example", "is not the name of a host"),
        ("PROXY_ADDRESSES", "127.0.0.300", "is not an IP address or network"),
        ("WEB_DIR", "/nonexistent", "there is no such folder"),
        ("LOG_LEVEL", "LOUD", "give one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("PORT", "99999", "at most 65535"),
        ("ROOM_MOST_MEMBERS", "-1", "at least 1"),
        ("PASSWORD_HASH_WORKERS", "many", "a whole number of at least 1"),
        ("HISTORY_WRITE_EVENTS", "0", "at least 1 and at most 100000"),
        ("HEARTBEAT_SECONDS", "nan", "more than 0"),
    ],
)
def test_a_bad_setting_is_told_in_one_line(
    tmp_path: Path, name: str, value: str, told: str
) -> None:
    line = refusal(tmp_path, **{f"MADANG_{name}": value})

    assert f"MADANG_{name}={value}: " in line
    assert told in line


@pytest.mark.parametrize("given", ["https://app.example,http://b.example", '["https://a.example"]'])
def test_a_list_may_have_commas(tmp_path: Path, given: str) -> None:
    product = Embedded.start(
        tmp_path, MADANG_ALLOWED_ORIGINS=given, MADANG_PROXY_ADDRESSES="127.0.0.1"
    )

    assert product.stop() == 0


def test_a_start_beside_a_running_process_says_how_to_stop_that(
    embedded: Embedded, tmp_path: Path
) -> None:
    assert embedded.process is not None
    pid = embedded.process.pid

    folder = refusal(tmp_path)
    port = refusal(tmp_path / "other", MADANG_PORT=str(embedded.port))

    assert f"is in use by process {pid}; stop it (`kill {pid}`)" in folder
    assert "or set another MADANG_PORT" in port
    os.kill(pid, signal.SIGTERM)
    assert embedded.process.wait(20) == 0
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", embedded.port))
