"""MariaDB: the MySQL that Debian has."""

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from stack.servers.programs import program
from stack.servers.sql import SqlServer, as_root

_PACKAGE = "mariadb-server"
_REDO_LOG = "--innodb-log-file-size=16M"


class MariaDB(SqlServer):
    """One MariaDB."""

    name: str = "mariadb"

    @override
    def server_command(self) -> Sequence[str | Path]:
        return [program("mariadbd", package=_PACKAGE), "--no-defaults"]

    @override
    def server_options(self) -> Sequence[str]:
        return [_REDO_LOG]

    @override
    def client_command(self) -> Sequence[str | Path]:
        return [program("mariadb", package=_PACKAGE), "--no-defaults"]

    @override
    def initialise(self, data: Path) -> None:
        self.run_to_the_end(
            [
                program("mariadb-install-db", package=_PACKAGE),
                "--no-defaults",
                *as_root(),
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                _REDO_LOG,
            ]
        )
