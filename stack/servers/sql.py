"""The common part of MariaDB and MySQL."""

import os
import subprocess
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

from typing_extensions import override

from stack.servers.ports import LOOPBACK
from stack.servers.secret_file import write_secret
from stack.servers.server import BARE_PATH, Server, ServerNotReadyError

_USER = "madang"
_DATABASE = "madang"
_INSTALL_SECONDS = 100
_STATEMENT_SECONDS = 60
_ANSWER_SECONDS = 5
_GRANTS = """\
CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{password}';
GRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION;
"""


class SqlServer(Server):
    """A server with a superuser `madang` and a database `madang`."""

    @property
    def url(self) -> str:
        """Where clients connect, with the database `madang`."""
        return self.database_url(_DATABASE)

    def database_url(self, database: str) -> str:
        """Return where clients connect to a database of that name."""
        return f"mysql+asyncmy://{_USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def sql(self, statements: str) -> str:
        """Run statements as the user `madang`; return their rows as tab-separated lines."""
        done = self._ask(statements, seconds=_STATEMENT_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} refused: {done.stderr}")
        return done.stdout

    def run_at_start(self, statements: Iterable[str]) -> None:
        """Run these statements, each in one line, at every start from now on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_secret(self._own_statements, "".join(f"{line}\n" for line in statements))

    @abstractmethod
    def server_command(self) -> Sequence[str | Path]:
        """Return the command that starts the server, without options."""

    @abstractmethod
    def server_options(self) -> Sequence[str]:
        """Return the options that only this server has."""

    @abstractmethod
    def client_command(self) -> Sequence[str | Path]:
        """Return the command that runs statements, without options."""

    @abstractmethod
    def initialise(self, data: Path) -> None:
        """Make a fresh data folder."""

    @override
    def prepare(self) -> None:
        grants = _GRANTS.format(database=_DATABASE, user=_USER, password=self.password)
        if self._own_statements.exists():
            grants += self._own_statements.read_text(encoding="utf-8")
        write_secret(self.folder / "grants.sql", grants)
        data = self.folder / "data"
        if not data.exists():
            # Made beside and renamed, so that a start that was killed leaves nothing half made.
            unfinished = self.folder / "data.unfinished"
            subprocess.run(["rm", "-rf", unfinished], check=True)
            self.initialise(unfinished)
            unfinished.rename(data)

    @override
    def launch(self) -> None:
        options = [
            *as_root(),
            f"--datadir={self.folder / 'data'}",
            "--socket=sql.sock",  # in the data folder: a socket's whole path must be short
            f"--pid-file={self.folder / 'sql.pid'}",
            f"--port={self.port}",
            f"--bind-address={LOOPBACK}",
            f"--init-file={self.folder / 'grants.sql'}",
            "--character-set-server=utf8mb4",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
            "--max-connections=500",
        ]
        self.run("main", [*self.server_command(), *options, *self.server_options()])

    @override
    def is_ready(self) -> bool:
        return self._ask("SELECT 1", seconds=_ANSWER_SECONDS).returncode == 0

    def run_to_the_end(self, command: Sequence[str | Path]) -> None:
        """Run a command that creates data; raise its output if it fails."""
        with self.log_file.open("ab") as output:
            done = subprocess.run(
                command,
                # Several that make their data in one folder for temporary files disturb each other.
                env=self.bare_environment | {"TMPDIR": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_INSTALL_SECONDS,
                check=False,
            )
        if done.returncode != 0:
            raise ServerNotReadyError(
                f"{self.name} could not make its data in {self.folder}:\n{self.log_tail()}"
            )

    @property
    def _own_statements(self) -> Path:
        return self.folder / "own.sql"

    def _ask(self, statements: str, *, seconds: float) -> subprocess.CompletedProcess[str]:
        command = [
            *self.client_command(),
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
            "--protocol=tcp",
            f"--host={LOOPBACK}",
            f"--port={self.port}",
            f"--user={_USER}",
        ]
        try:
            return subprocess.run(
                command,
                # Not among the arguments, where everybody could read it.
                env={"PATH": BARE_PATH, "LANG": "C.UTF-8", "MYSQL_PWD": self.password},
                input=statements,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return subprocess.CompletedProcess(command, 1, "", str(late))


def as_root() -> list[str]:
    """Return the option that lets a server of this family run as root, if root runs it."""
    return ["--user=root"] if os.geteuid() == 0 else []
