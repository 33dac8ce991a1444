"""`python -m tests.compose up | test | down`: docker-compose.yml on a Docker engine of its own.

`test` starts it, runs the end-to-end suite and checks of its isolation, and takes it down again;
what follows goes to pytest. `up` leaves it there, `down` takes it away. Images and trees stay for
the next time.
"""

import argparse
import os
import subprocess
import sys
import time

from tests.compose.composed import Composed
from tests.compose.place import composed
from tests.support.deployment import ROOT


def main() -> None:
    """Run the command; exit with the tests' exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.compose")
    parser.add_argument("command", choices=("up", "test", "down"))
    asked, arguments = parser.parse_known_args()
    product = composed()
    if asked.command == "down":
        _down(product)
        return
    code = 1
    try:
        _up(product)
        if asked.command == "up":
            print(f"Madang is ready: {product.url} (its CA is {product.ca})")
            return
        code = _test(arguments)
    finally:
        if asked.command == "test":
            _down(product)
    sys.exit(code)


def _up(product: Composed) -> None:
    began = time.monotonic()
    if product.engine.process is None:
        product.engine.start()
    product.up()
    print(f"up after {time.monotonic() - began:.0f} s", flush=True)


def _test(arguments: list[str]) -> int:
    # By the name of the form, which stands in the names of the tests that take any form.
    # Killing and starting six containers takes a while.
    options = ["-k", "compose", "-o", "timeout=600"]
    paths = ["tests/e2e", "tests/compose/check_isolation.py"]
    command = [sys.executable, "-m", "pytest", *paths, *options, *arguments]
    env = {**os.environ, "MADANG_E2E": "compose"}
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


def _down(product: Composed) -> None:
    if product.engine.process is None:
        product.engine.start()
    product.down()
    product.engine.stop()


if __name__ == "__main__":
    main()
