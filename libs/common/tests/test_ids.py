"""Ids are unique, also in a process that was forked."""

import subprocess
import sys

FORKING = """
import os
from madang_common.ids import next_id

next_id()
child = os.fork()
os.write(1, f"{next_id()}\\n".encode())  # at once, not between the parts of the other's line
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_process_makes_ids_of_its_own() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True
    ).stdout

    one, other = told.split()
    assert one != other
