"""MariaDB: the MySQL that Debian has."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from tests.stack.servers.ports import LOOPBACK
from tests.stack.servers.programs import program
from tests.stack.servers.server import BARE_PATH, Server, ServerNotReadyError

_USER = "madang"
_DATABASE = "madang"
_INSTALL_SECONDS = 60
_ANSWER_SECONDS = 5
_GRANTS = """\
CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{password}';
GRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION;
"""


class MariaDB(Server):
    """One MariaDB with a user `madang`, who may do everything, and a database `madang`."""

    name: ClassVar[str] = "mariadb"

    @property
    def url(self) -> str:
        """Where clients connect, with the database `madang`."""
        return self.database_url(_DATABASE)

    def database_url(self, database: str) -> str:
        """Return where clients connect to a database of that name."""
        return f"mysql+asyncmy://{_USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def sql(self, statements: str) -> str:
        """Run statements as the user `madang`; return what they answer, as tab-separated lines."""
        done = self._ask(statements, seconds=_INSTALL_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} refused: {done.stderr}")
        return done.stdout

    @override
    def prepare(self) -> None:
        grants = self.folder / "grants.sql"
        grants.touch(mode=0o600)
        grants.write_text(
            _GRANTS.format(database=_DATABASE, user=_USER, password=self.password), encoding="utf-8"
        )
        if not self._data.exists():
            # Made beside and renamed, so that a start that was killed leaves nothing half made.
            unfinished = self.folder / "data.unfinished"
            subprocess.run(["rm", "-rf", unfinished], check=True)
            self._initialise(unfinished)
            unfinished.rename(self._data)

    @override
    def launch(self) -> None:
        server = program("mariadbd", package="mariadb-server")
        self.run("main", [server, "--no-defaults", *self._as_root(), *self._options()])

    @override
    def is_ready(self) -> bool:
        return self._ask("SELECT 1", seconds=_ANSWER_SECONDS).returncode == 0

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _initialise(self, data: Path) -> None:
        command: list[str | Path] = [
            program("mariadb-install-db", package="mariadb-server"),
            "--no-defaults",
            *self._as_root(),
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            "--innodb-log-file-size=16M",
        ]
        run_to_the_end(command, log=self.log_file)

    def _options(self) -> list[str]:
        return [
            f"--datadir={self._data}",
            "--socket=sql.sock",  # in the data folder: a socket's whole path must be short
            f"--pid-file={self.folder / 'sql.pid'}",
            f"--port={self.port}",
            f"--bind-address={LOOPBACK}",
            f"--init-file={self.folder / 'grants.sql'}",
            "--character-set-server=utf8mb4",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
            "--max-connections=500",
        ]

    def _as_root(self) -> list[str]:
        """As root it must be told that root is meant; otherwise it cannot be another user."""
        return ["--user=root"] if os.geteuid() == 0 else []

    def _ask(self, statements: str, *, seconds: float) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [
            program("mariadb", package="mariadb-server"),
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
            "--protocol=tcp",
            f"--host={LOOPBACK}",
            f"--port={self.port}",
            f"--user={_USER}",
        ]
        return run_client(command, statements, password=self.password, seconds=seconds)


def run_to_the_end(command: Sequence[str | Path], *, log: Path) -> None:
    """Run a command that prepares data, appending what it prints to `log`."""
    with log.open("ab") as output:
        done = subprocess.run(
            command,
            env={"PATH": BARE_PATH, "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise ServerNotReadyError(f"{command[0]} failed:\n{log.read_text(errors='replace')}")


def run_client(
    command: Sequence[str | Path], statements: str, *, password: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Give statements to a command-line client, and the password where nobody can list it."""
    try:
        return subprocess.run(
            command,
            env={"PATH": BARE_PATH, "LANG": "C.UTF-8", "MYSQL_PWD": password},
            input=statements,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(command, 1, "", str(late))
