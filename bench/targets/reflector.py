"""How to talk to the reflector: as to the naive chat, whose frames it counts."""

import sys
from pathlib import Path

from typing_extensions import override

from bench.targets.naive import Naive


class Reflector(Naive):
    """The most that the load generator can count here."""

    name = "reflector"
    title = "reflector"
    acknowledgement = "nothing: it only writes"

    @override
    def command(self, port: int, folder: Path) -> list[str]:
        return [sys.executable, "-m", "bench.reflector", str(port)]
