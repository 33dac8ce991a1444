"""The copy of the data folder: complete in a new folder, or nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from madang_common.settings import CannotStart
from madang_standalone import backup
from madang_standalone.__main__ import main

DATABASES = (
    "auth/sessions.db",
    "auth/throttle.db",
    "history/messages.db",
    "rooms/rooms.db",
    "log.1.db",
    "log.db",
)
KEY = "auth/keys/first.pem"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with the files of a data folder."""
    folder = tmp_path / "data"
    for name in DATABASES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / name)) as db:
            db.execute("CREATE TABLE content (name TEXT)")
            db.execute("INSERT INTO content VALUES (?)", (name,))
            db.commit()
    (folder / KEY).parent.mkdir()
    (folder / KEY).write_text("a key")
    return folder


def content(file: Path) -> str:
    with closing(sqlite3.connect(file)) as db:
        return str(db.execute("SELECT name FROM content").fetchone()[0])


def test_all_files_are_copied_the_log_last(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "of today" / "backup"

    copied = backup.back_up(data, folder)

    assert copied == [folder / name for name in (KEY, *DATABASES)]
    assert [content(folder / name) for name in DATABASES] == list(DATABASES)
    assert (folder / KEY).read_text() == "a key"
    assert list(folder.parent.iterdir()) == [folder]
    assert folder.stat().st_mode & 0o077 == 0


def test_a_copy_that_fails_leaves_nothing_and_can_be_made_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (data / "log.db").read_bytes()
    (data / "log.db").write_bytes(b"no database of SQLite " * 100)
    monkeypatch.setenv("MADANG_DATA_DIR", str(data))
    monkeypatch.setattr("os.umask", lambda mask: mask)
    monkeypatch.setattr("sys.argv", ["madang-standalone", "backup", str(tmp_path / "backup")])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == (
        f"madang-standalone backup: the copy failed, and {tmp_path / 'backup'} was not made:"
        " file is not a database"
    )
    assert list(tmp_path.iterdir()) == [data]
    (data / "log.db").write_bytes(whole)
    main()
    assert content(tmp_path / "backup" / "log.db") == "log.db"


def test_an_existing_folder_is_refused(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    folder.mkdir()

    with pytest.raises(CannotStart, match=r"backup exists; give the name of a new folder$"):
        backup.back_up(data, folder)

    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["backup", "rooms/backup", "../data/backup", "new/.."])
def test_a_folder_inside_the_data_folder_is_refused(data: Path, name: str) -> None:
    with pytest.raises(CannotStart, match=r"is inside MADANG_DATA_DIR; give a folder elsewhere$"):
        backup.back_up(data, data / name)


@pytest.mark.parametrize(
    ("missing", "named"),
    [(("rooms/rooms.db",), "rooms/rooms.db"), (("log.db", "log.1.db"), r"log\*.db")],
)
def test_another_folder_is_not_taken_for_a_data_folder(
    data: Path, tmp_path: Path, missing: tuple[str, ...], named: str
) -> None:
    for name in missing:
        (data / name).unlink()

    with pytest.raises(
        CannotStart,
        match=rf"data is not a data folder of Madang \(there is no {named}\); set MADANG_DATA_DIR$",
    ):
        backup.back_up(data, tmp_path / "backup")

    assert list(tmp_path.iterdir()) == [data]
