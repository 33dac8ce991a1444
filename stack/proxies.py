"""The two nginx of the stack: the product's own, and one through which services find each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from stack.servers.nginx import Nginx
from stack.servers.ports import LOOPBACK
from tests.support import proxy

WEB = Path(__file__).resolve().parents[1] / "web" / "public"
_PLENTY = "100000"
"""All clients share one address here."""

_INSIDE = """\
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    access_log off;
    client_max_body_size 8m;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_connect_timeout 2s;
    proxy_next_upstream error timeout;
{services}
}}
"""
_INSIDE_SERVICE = """\
    upstream {name} {{
        zone {name} 64k;
        {servers}
        keepalive 32;
        keepalive_timeout 60s;
    }}
    server {{
        listen {host}:{port};
        location / {{ proxy_pass http://{name}; }}
    }}
"""


class Front(Nginx):
    """The product's proxy, with the configuration that it has everywhere."""

    name: str = "nginx"

    @property
    def url(self) -> str:
        """Where everything is reached from outside."""
        return f"https://localhost:{self.port}"

    def serve(self, replicas: Mapping[str, Sequence[str]], certificates: Path) -> None:
        """Write its configuration: the addresses of each service's replicas, the certificate."""
        self.configure(
            proxy.render(
                {
                    "PROXY_HTTPS_LISTEN": f"{LOOPBACK}:{self.port}",
                    "PROXY_HTTP_LISTEN": f"{LOOPBACK}:{self.ports['http']}",
                    "PROXY_PUBLIC_PORT": f":{self.port}",
                    "PROXY_CERTIFICATE": str(certificates / "localhost.pem"),
                    "PROXY_CERTIFICATE_KEY": str(certificates / "localhost.key"),
                    "PROXY_HSTS_SECONDS": "0",
                    "PROXY_WEB_DIR": str(WEB),
                    "PROXY_STATE_DIR": str(self.folder),
                    "PROXY_WORKERS": "1",
                    "PROXY_REQUESTS_PER_SECOND": _PLENTY,
                    "PROXY_REQUESTS_BURST": _PLENTY,
                    "PROXY_CONNECTIONS_PER_ADDRESS": _PLENTY[:-1],
                    **{
                        f"PROXY_{service.upper()}_SERVERS": proxy.servers(*addresses)
                        for service, addresses in replicas.items()
                    },
                    "PROXY_GATEWAY_SERVERS": proxy.gateways(*replicas["gateway"]),
                }
            )
        )


class Inside(Nginx):
    """Where a service asks another one, whichever replica of it is there."""

    name: str = "inside"
    port_names: ClassVar[tuple[str, ...]] = ("auth", "rooms", "history")

    @property
    @override
    def port(self) -> int:
        return self.ports["auth"]

    def url_of(self, service: str) -> str:
        """Return where a service is reached."""
        return f"http://{LOOPBACK}:{self.ports[service]}"

    def serve(self, replicas: Mapping[str, Sequence[str]]) -> None:
        """Write its configuration: the addresses of each service's replicas."""
        services = (
            _INSIDE_SERVICE.format(
                name=name,
                # Never given up on: who refuses a connection costs no time, and may be back.
                servers=" ".join(f"server {address} max_fails=0;" for address in replicas[name]),
                host=LOOPBACK,
                port=self.ports[name],
            )
            for name in self.port_names
        )
        self.configure(_INSIDE.format(folder=self.folder, services="".join(services)))
