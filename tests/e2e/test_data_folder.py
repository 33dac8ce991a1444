"""The data folder from outside: whose it is."""

import stat
from pathlib import Path

from tests.e2e.product import Product

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def test_what_lies_in_a_folder_that_all_may_enter_is_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)

    product = Product.start(tmp_path)
    readable = [path.name for path in data.rglob("*") if path.stat().st_mode & _OTHERS]
    product.stop()

    assert (data / "log.db").exists()
    assert readable == []
