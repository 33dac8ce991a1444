"""Private servers with TLS, whose certificates a private CA signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import trustme
from redis import Redis as RedisClient
from redis.exceptions import RedisError
from typing_extensions import override

from stack.servers import MariaDB, MongoDB, MySQL, RabbitMQ, Redis
from stack.servers.ports import LOOPBACK
from stack.servers.programs import program
from stack.servers.secret_file import write_secret
from stack.servers.server import Server


@dataclass(frozen=True)
class Certificate:
    """Files of a server's certificate, its key and the CA."""

    certificate: Path
    key: Path
    ca: Path

    @classmethod
    def write(cls, folder: Path, authority: trustme.CA, host: str) -> Self:
        """Issue a certificate for `host` and write the files to `folder`."""
        folder.mkdir(parents=True)
        files = cls(folder / "server.pem", folder / "server.key", folder / "ca.pem")
        issued = authority.issue_cert(host)
        issued.cert_chain_pems[0].write_to_path(files.certificate)
        issued.private_key_pem.write_to_path(files.key)
        authority.cert_pem.write_to_path(files.ca)
        return files


class TlsRabbitMQ(RabbitMQ):
    """A RabbitMQ with TLS on the port `tls`."""

    port_names: ClassVar[tuple[str, ...]] = (*RabbitMQ.port_names, "tls")
    files: Certificate

    @override
    def prepare(self) -> None:
        super().prepare()
        _append(
            self.folder / "rabbitmq.conf",
            f"listeners.ssl.1 = {LOOPBACK}:{self.ports['tls']}",
            f"ssl_options.cacertfile = {self.files.ca}",
            f"ssl_options.certfile = {self.files.certificate}",
            f"ssl_options.keyfile = {self.files.key}",
            "ssl_options.verify = verify_none",
            "ssl_options.fail_if_no_peer_cert = false",
        )


class TlsMariaDB(MariaDB):
    """A MariaDB with TLS."""

    files: Certificate

    @override
    def server_options(self) -> Sequence[str]:
        return [*super().server_options(), *_sql_options(self.files)]


class TlsMySQL(MySQL):
    """A MySQL with TLS."""

    files: Certificate

    @override
    def server_options(self) -> Sequence[str]:
        return [*super().server_options(), *_sql_options(self.files)]


class TlsMongoDB(MongoDB):
    """A MongoDB with TLS, which accepts plain connections too."""

    files: Certificate

    @override
    def run(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None
    ) -> None:
        both = self.folder / "server.both.pem"
        write_secret(both, self.files.key.read_text() + self.files.certificate.read_text())
        tls = (
            "--tlsMode=preferTLS",
            f"--tlsCertificateKeyFile={both}",
            f"--tlsCAFile={self.files.ca}",
            "--tlsAllowConnectionsWithoutCertificates",
        )
        super().run(name, [*command, *tls], env=env)


class TlsRedis(Redis):
    """A Redis with TLS on the port `tls`, perhaps a replica of another one."""

    port_names: ClassVar[tuple[str, ...]] = (*Redis.port_names, "tls")
    files: Certificate
    primary: "TlsRedis | None" = None

    @property
    @override
    def password(self) -> str:
        # Each may become the primary of the other, so both have the same.
        return super().password if self.primary is None else self.primary.password

    @override
    def prepare(self) -> None:
        super().prepare()
        _append(
            self.folder / "redis.conf",
            *_redis_options(self.files, self.ports["tls"]),
            f"masterauth {self.password}",
            "replica-announce-ip localhost",
        )
        if self.primary is not None:
            primary = f"localhost {self.primary.ports['tls']}"
            _append(
                self.folder / "redis.conf", f"replicaof {primary}", "repl-diskless-sync-delay 0"
            )


class TlsSentinel(Server):
    """One Sentinel with TLS only; it decides alone that the primary is down."""

    name: str = "sentinel"
    start_seconds: ClassVar[float] = 30
    files: Certificate
    primary: TlsRedis
    sentinel_password: str

    @override
    def prepare(self) -> None:
        config = self.folder / "sentinel.conf"
        write_secret(config, f"bind {LOOPBACK}\ndir {self.folder}\nport 0\n")
        _append(
            config,
            *_redis_options(self.files, self.port),
            f'requirepass "{self.sentinel_password}"',
            "sentinel resolve-hostnames yes",
            "sentinel announce-hostnames yes",
            f"sentinel monitor chat localhost {self.primary.ports['tls']} 1",
            f"sentinel auth-pass chat {self.primary.password}",
            "sentinel down-after-milliseconds chat 500",
            "sentinel failover-timeout chat 2000",
        )

    @override
    def launch(self) -> None:
        server = program("redis-server", package="redis-server")
        self.run("main", [server, self.folder / "sentinel.conf", "--sentinel"])

    @override
    def is_ready(self) -> bool:
        """Return whether it knows a replica, to which it can fail over."""
        try:
            with RedisClient(
                host="localhost",
                port=self.port,
                password=self.sentinel_password,
                ssl=True,
                ssl_ca_certs=str(self.files.ca),
            ) as client:
                state = client.sentinel_master("chat")
                return int(state["num-slaves"]) == 1
        except RedisError:
            return False


def _sql_options(files: Certificate) -> list[str]:
    return [f"--ssl-ca={files.ca}", f"--ssl-cert={files.certificate}", f"--ssl-key={files.key}"]


def _redis_options(files: Certificate, port: int) -> list[str]:
    return [
        f"tls-port {port}",
        f"tls-cert-file {files.certificate}",
        f"tls-key-file {files.key}",
        f"tls-ca-cert-file {files.ca}",
        "tls-auth-clients no",
        "tls-replication yes",
    ]


def _append(config: Path, *lines: str) -> None:
    with config.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
