from pathlib import Path

import pytest

from madang_standalone.data_folder import FolderInUse, lock_folder


def test_a_folder_is_locked_by_one_process_at_a_time(tmp_path: Path) -> None:
    with lock_folder(tmp_path / "data") as folder:
        assert folder.is_dir()

        with pytest.raises(FolderInUse, match=r"is in use by process \d+"), lock_folder(folder):
            pass

    with lock_folder(tmp_path / "data"):
        pass
