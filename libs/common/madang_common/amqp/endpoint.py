"""The endpoint of RabbitMQ: its nodes, user, virtual host and TLS."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from yarl import URL

from madang_common.address import Address
from madang_common.tls import Tls

_PORTS = {"amqp": 5672, "amqps": 5671}
_TLS_OPTIONS = {"cafile", "capath", "cadata", "certfile", "keyfile", "no_verify_ssl"}
"""TLS options that aiormq reads from the query of a URL."""


@dataclass(frozen=True, slots=True)
class AmqpEndpoint:
    """The nodes of a RabbitMQ, each as a URL with user, password and virtual host."""

    nodes: tuple[URL, ...] = field(repr=False)
    tls: Tls | None = None
    """TLS to the nodes with `amqps`; if None, the options in their URLs apply."""

    @classmethod
    def at(cls, url: str, tls: Tls | None = None) -> Self:
        """Return the endpoint at `url`, a list of hosts or of whole URLs with commas.

        Raise ValueError, without the URL, if it is invalid.
        """
        try:
            nodes = tuple(_node_urls(url))
        except ValueError:
            # Without the error's text, which may contain a part of the password.
            raise ValueError(
                "MADANG_AMQP_URL is invalid; expected amqp://user:password@host:5672/vhost"
            ) from None
        secure = [node for node in nodes if node.scheme == "amqps"]
        own_options = any(_TLS_OPTIONS & node.query.keys() for node in secure)
        if tls is not None and not secure:
            raise ValueError("MADANG_AMQP_CA_FILE needs amqps:// in MADANG_AMQP_URL")
        if tls is not None and own_options:
            raise ValueError(
                "MADANG_AMQP_CA_FILE and TLS options in MADANG_AMQP_URL are both set; set only one"
            )
        return cls(nodes, tls if own_options or not secure else tls or Tls())

    @classmethod
    def of(
        cls,
        addresses: Sequence[str],
        *,
        port: int | None = None,
        user: str,
        password: str,
        vhost: str = "/",
        tls: Tls | None = None,
    ) -> Self:
        """Return the endpoint with the nodes at `addresses`, each `host` or `host:port`."""
        scheme = "amqp" if tls is None else "amqps"
        nodes = [Address.parse(text, default_port=port or _PORTS[scheme]) for text in addresses]
        return cls(
            tuple(
                URL.build(
                    scheme=scheme,
                    user=user,
                    password=password,
                    host=node.host,
                    port=node.port,
                    path="/" if vhost == "/" else f"/{vhost}",
                )
                for node in nodes
            ),
            tls,
        )


def _node_urls(url: str) -> list[URL]:
    found: list[URL] = []
    for whole in re.split(r",(?=amqps?://)", url):
        parts = urlsplit(whole)
        user, at, hosts = parts.netloc.rpartition("@")
        for host in hosts.split(","):
            node = URL(urlunsplit(parts._replace(netloc=f"{user}{at}{host}")))
            if node.scheme not in _PORTS or not node.host:
                raise ValueError("not the URL of a RabbitMQ node")
            found.append(node)
    return found
