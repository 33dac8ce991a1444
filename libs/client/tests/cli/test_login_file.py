import asyncio
import stat
from pathlib import Path

import pytest

from madang_client import Tokens
from madang_client.cli.login_file import LoginFile, state_folder

TOKENS = Tokens("a", "r", expires_at=1_000, lifetime_seconds=300)


@pytest.fixture
def file(tmp_path: Path) -> LoginFile:
    return LoginFile(tmp_path / "state", "http://127.0.0.1:8000")


def test_tokens_round_trip_through_the_file(file: LoginFile) -> None:
    assert file.load() is None

    file.save(TOKENS)

    assert file.load() == TOKENS


def test_only_the_owner_may_read_the_file(file: LoginFile, tmp_path: Path) -> None:
    file.save(TOKENS)
    file.save(TOKENS)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]


def test_deleting_leaves_no_tokens_behind(file: LoginFile) -> None:
    file.save(TOKENS)

    file.save(None)
    file.save(None)

    assert file.load() is None


def test_each_server_has_its_own_login(file: LoginFile, tmp_path: Path) -> None:
    file.save(TOKENS)

    assert LoginFile(tmp_path / "state", "http://127.0.0.1:8001").load() is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_malformed_file_is_not_a_login(file: LoginFile, content: bytes) -> None:
    file.save(TOKENS)
    file._path.write_bytes(content)

    assert file.load() is None


async def test_the_lock_is_exclusive(file: LoginFile, tmp_path: Path) -> None:
    other = LoginFile(tmp_path / "state", "http://127.0.0.1:8000")
    inside = 0

    async def enter(file: LoginFile) -> None:
        nonlocal inside
        async with file.exclusive():
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(enter(one) for one in [file, other] * 3))


def test_the_folder_is_the_platforms_default_unless_set() -> None:
    assert state_folder("/somewhere") == Path("/somewhere")
    assert state_folder(None).name == "madang"
