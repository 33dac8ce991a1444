"""The embedded form: one process, its port and its data folder."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TextIO

from typing_extensions import override

from stack.command import run_command
from stack.launching import Launched, launch
from stack.servers.processes import streams_to
from tests.e2e.product import Product
from tests.support.log_lines import error_lines
from tests.support.metrics import metric

_READY = "Madang is ready: "
_STOP_SECONDS = 20


@dataclass
class Embedded(Product):
    """One embedded Madang on a port and a data folder of its own."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: Launched | None = None
    _output: TextIO | None = None
    """What it writes to stdout."""

    @classmethod
    def start(cls, folder: Path, **settings: str) -> Self:
        """Start on any free port with the data in `folder`."""
        product = cls(folder, settings)
        product.launch()
        return product

    @property
    @override
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    @override
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def log_file(self) -> Path:
        """Everything that its processes logged."""
        return self.folder / "process.log"

    @override
    def launch(self, **settings: str) -> None:
        data = self.folder / "data"
        env = os.environ | {
            "MADANG_DATA_DIR": str(data),
            "MADANG_PORT": str(self.port),
            "MADANG_LOG_FORMAT": "json",
            **self.settings,
            **settings,
        }
        reader, out = os.pipe()
        with streams_to(self.log_file) as (nothing, log, _):
            self.process = launch("madang_standalone", env=env, streams=(nothing, out, log))
        os.close(out)
        self._output = os.fdopen(reader, encoding="utf-8")
        line = self._output.readline()
        if not line.startswith(_READY):
            self._end(signal.SIGKILL)
            raise AssertionError(f"it did not start:\n{self.log_file.read_text()[-4000:]}")
        self.port = int(line.removeprefix(_READY).split()[0].rpartition(":")[2])

    @override
    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask the process to stop, and return its exit code."""
        return self._end(signal.SIGTERM)

    @override
    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    @override
    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    @override
    def operate(self, *arguments: str) -> str:
        settings = os.environ | {"MADANG_DATA_DIR": str(self.folder / "data")}
        return run_command("standalone", *arguments, settings=settings)

    @override
    def metric(self, name: str) -> float:
        return metric(self.url, name)

    @override
    def errors(self) -> list[str]:
        return error_lines(self.log_file.read_text(encoding="utf-8"))

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(number)
        try:
            return process.wait(_STOP_SECONDS)
        finally:
            process.send_signal(signal.SIGKILL)
            assert self._output is not None
            self._output.close()
