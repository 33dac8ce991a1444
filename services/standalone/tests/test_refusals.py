"""Commands on a data folder, and starts that are refused, change nothing."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from madang_common.log.port import LogUnavailable
from madang_common.settings import CannotStart
from madang_history.store.port import StoreUnavailable
from madang_history.store.sqlite import SqliteMessageStore
from madang_standalone import wiring
from madang_standalone.settings import StandaloneSettings

Open = Callable[[StandaloneSettings], AbstractAsyncContextManager[Any]]
OPENING = [wiring.open_to_verify, wiring.open_recovery]


def settings_for(folder: Path, epoch: int = 0, shards: int = 2) -> StandaloneSettings:
    return StandaloneSettings(
        environment="development", data_dir=folder, log_epoch=epoch, log_shards=shards
    )


def logs(folder: Path) -> list[Path]:
    return list(folder.glob("log*.db"))


async def serve_once(settings: StandaloneSettings) -> None:
    async with wiring.build(settings):
        pass


@pytest.mark.parametrize("opening", OPENING)
async def test_a_command_that_only_reads_begins_no_epoch(opening: Open, tmp_path: Path) -> None:
    await serve_once(settings_for(tmp_path))

    with pytest.raises(CannotStart, match=r"log\.1\.db does not exist"):
        async with opening(settings_for(tmp_path, epoch=1)):
            pass

    await serve_once(settings_for(tmp_path))


@pytest.mark.parametrize("opening", OPENING)
async def test_it_reads_the_log_of_its_epoch_after_the_first_was_deleted(
    opening: Open, tmp_path: Path
) -> None:
    for epoch in range(2):
        await serve_once(settings_for(tmp_path, epoch))
    (tmp_path / "log.db").unlink()

    async with opening(settings_for(tmp_path, epoch=1)):
        pass


async def test_verify_makes_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "none"

    with pytest.raises(CannotStart, match="there is no such folder"):
        async with wiring.open_to_verify(settings_for(folder)):
            pass

    assert not folder.exists()


@pytest.mark.parametrize("opening", OPENING)
async def test_a_log_that_lost_its_end_is_refused(opening: Open, tmp_path: Path) -> None:
    await serve_once(settings_for(tmp_path))
    store = await SqliteMessageStore.open(tmp_path / "history" / "messages.db", 2)
    await store.store(0, [], 5)
    await store.close()

    with pytest.raises(CannotStart, match=r"offset 5.*broker-data-lost\.md"):
        async with opening(settings_for(tmp_path)):
            pass


async def test_a_refused_start_creates_no_log(tmp_path: Path) -> None:
    await serve_once(settings_for(tmp_path, epoch=1))
    (tmp_path / "log.1.db").unlink()

    with pytest.raises(CannotStart, match="has 2 shards, not 3"):
        await serve_once(settings_for(tmp_path, epoch=1, shards=3))
    with pytest.raises(CannotStart, match="set MADANG_LOG_EPOCH=1"):
        await serve_once(settings_for(tmp_path))

    assert logs(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "commands"),
    [
        ("log.db", OPENING),
        ("history/messages.db", OPENING),
        ("rooms/rooms.db", [wiring.open_recovery]),
    ],
)
async def test_a_damaged_file_is_named(file: str, commands: list[Open], tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    await serve_once(settings)
    damaged = tmp_path / file
    damaged.write_bytes(b"no database" * 1000)

    for opening in (*commands, wiring.build):
        expected = (CannotStart, LogUnavailable, StoreUnavailable)
        with pytest.raises(expected, match="file is not a database") as failed:
            await opening(settings).__aenter__()
        assert str(damaged) in str(failed.value)
        # A process that serves expects no error of a store.
        assert opening is not wiring.build or not isinstance(failed.value, StoreUnavailable)
