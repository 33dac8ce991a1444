from pathlib import Path

import pytest

from madang_standalone.data_folder import FolderInUse, held


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path / "data") as folder:
        assert folder.is_dir()

        with pytest.raises(FolderInUse, match=r"is in use by process \d+"), held(folder):
            pass

    with held(tmp_path / "data"):
        pass
