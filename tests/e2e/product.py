"""The product as a process of its own: started, asked, killed and started again, from outside."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_READY = "Madang is ready: "
_STOP_SECONDS = 20


@dataclass
class Product:
    """One embedded Madang on a port and a data folder of its own."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[str] | None = None

    @classmethod
    def start(cls, folder: Path, **env: str) -> Self:
        """Start on any free port with what lies in `folder`; `env` are MADANG_ settings."""
        product = cls(folder, env)
        product.launch()
        return product

    @property
    def url(self) -> str:
        """Where its REST interface and its page are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where its WebSocket is."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def log_file(self) -> Path:
        """Everything that its processes logged."""
        return self.folder / "process.log"

    def launch(self) -> None:
        """Start the process and return when it says that it is ready."""
        data = self.folder / "data"
        env = os.environ | {
            "MADANG_DATA_DIR": str(data),
            "MADANG_PORT": str(self.port),
            "MADANG_LOG_FORMAT": "json",
            **self.env,
        }
        with self.log_file.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "madang_standalone"],
                env=env,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith(_READY):
            self._end(signal.SIGKILL)
            raise AssertionError(f"it did not start:\n{self.log_file.read_text()[-4000:]}")
        self.port = int(line.rpartition(":")[2])

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask the process to stop, and return its exit code."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it and start it again on the same port and folder."""
        self.kill()
        self.launch()

    def errors(self) -> list[str]:
        """Return the lines that it logged at level error."""
        lines = self.log_file.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if '"level":"error"' in line or "Traceback" in line]

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(number)
        try:
            code = process.wait(_STOP_SECONDS)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()
        return code
