"""The quickstart works: its commands are run as written."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.embedded import Embedded

ROOT = Path(__file__).parents[2]
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "README.ko.md"])
def test_the_quickstart_runs_as_written(page: str, tmp_path: Path) -> None:
    blocks = SHELL_BLOCK.findall((ROOT / page).read_text("utf-8"))
    product = Embedded.start(tmp_path)
    script = "\n".join(blocks).replace("http://127.0.0.1:8000", product.url)
    try:
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=ROOT,
            env=os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        product.stop()

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"text":"build passed"' in done.stdout
    assert "안녕하세요!" in done.stdout
