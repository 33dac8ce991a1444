"""MySQL itself, from a root tree of its own: no release of Debian has it."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from stack.servers.mysql_tree import mysql_tree
from stack.servers.sql import SqlServer, as_root


class MySQL(SqlServer):
    """One MySQL."""

    name: str = "mysql"
    start_seconds: ClassVar[float] = 90

    @override
    def server_command(self) -> Sequence[str | Path]:
        return self._server("--no-defaults")

    @override
    def server_options(self) -> Sequence[str]:
        return ["--mysqlx=OFF", "--secure-file-priv=NULL", "--innodb-redo-log-capacity=32M"]

    @override
    def client_command(self) -> Sequence[str | Path]:
        return [*mysql_tree().command("usr/bin/mysql"), "--no-defaults"]

    @override
    def initialise(self, data: Path) -> None:
        first = ["--initialize-insecure", *as_root(), f"--datadir={data}"]
        self.run_to_the_end([*self._server("--no-defaults"), *first])

    def _server(self, *first: str) -> list[str | Path]:
        tree = mysql_tree()
        return [
            *tree.command("usr/sbin/mysqld"),
            *first,
            f"--basedir={tree.path / 'usr'}",
            f"--lc-messages-dir={tree.path / 'usr/share/mysql'}",
            f"--plugin-dir={tree.path / 'usr/lib/mysql/plugin'}",
        ]
