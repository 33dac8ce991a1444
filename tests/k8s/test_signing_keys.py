"""The signing key is rotated by changing its Secret while clients send messages and log in."""

import asyncio
import base64
import json
import re
from collections.abc import Callable
from functools import partial

from madang_auth.signing.keys import new_pem
from stack.servers.deadline import wait_until
from tests.k8s.conftest import Under
from tests.k8s.figures import Traffic
from tests.k8s.product import METRICS, Kubernetes
from tests.k8s.release import JWKS_SECONDS, NAME, SERVICE_TOKEN_SECONDS
from tests.support.load_clients import LoadClients

_SECRET = f"{NAME}-signing-keys"
_SIGNS = re.compile(r'^madang_auth_signing_key\{kid="([^"]+)",use="signs"\} 1', re.MULTILINE)
_MOUNTED_SECONDS = 180
"""Longest time until the kubelet has written a changed Secret into the pods."""
_KEYS = (
    "from urllib.request import urlopen;"
    " print(urlopen('http://127.0.0.1:8000/.well-known/jwks.json').read().decode())"
)


async def test_rotation_by_the_secret_fails_nothing(
    product: Kubernetes, under: Under, traffic: Traffic
) -> None:
    restarts = _restarts(product)
    async with under() as clients:
        old, new = _secret(product)["current.pem"], base64.b64encode(new_pem()).decode()
        before = await _signing_key(clients)

        await _change(product, {"next.pem": new}, lambda: _published(product) == 2)
        await asyncio.sleep(JWKS_SECONDS)
        signs = _signing(product)
        await _change(
            product,
            {"current.pem": new, "retired.pem": old, "next.pem": None},
            lambda: _signing(product) not in {signs, ""},
        )
        for client in clients.members:
            await client.login.refresh()
        # Until no service has a token that the retired key signed.
        await asyncio.sleep(SERVICE_TOKEN_SECONDS)
        await _change(product, {"retired.pem": None}, lambda: _published(product) == 1)

        assert await _signing_key(clients) != before
    assert traffic.failures == {}
    assert _restarts(product) == restarts


async def _change(
    product: Kubernetes, keys: dict[str, str | None], until: Callable[[], bool] = lambda: True
) -> None:
    """Set or remove keys of the Secret; return when `until` holds."""
    text = json.dumps({"data": keys})
    await asyncio.to_thread(
        product.cluster.kubectl, "patch", "secret", _SECRET, "--type=merge", "--patch", text
    )
    reached = partial(wait_until, until, seconds=_MOUNTED_SECONDS)
    assert await asyncio.to_thread(reached), f"no pod has {sorted(keys)} yet"


def _secret(product: Kubernetes) -> dict[str, str]:
    found: dict[str, str] = json.loads(
        product.cluster.kubectl("get", "secret", _SECRET, "--output", "json")
    )["data"]
    return found


def _published(product: Kubernetes) -> int:
    """Return how many keys the pods of auth publish; 0 while they differ."""
    pages = product.in_each(product.pods("auth"), "python", "-c", _KEYS)
    kids = {tuple(sorted(key["kid"] for key in json.loads(page)["keys"])) for page in pages}
    return len(kids.pop()) if len(kids) == 1 else 0


async def _signing_key(clients: LoadClients) -> str:
    """Return the id of the key that signs the next token."""
    tokens = await clients.members[-1].login.refresh()
    header = tokens.access.partition(".")[0]
    padded = header + "=" * (-len(header) % 4)
    return str(json.loads(base64.urlsafe_b64decode(padded))["kid"])


def _signing(product: Kubernetes) -> str:
    """Return the id of the key with which all pods of auth sign; empty while they differ."""
    pages = product.in_each(product.pods("auth"), "python", "-c", METRICS)
    found = {tuple(_SIGNS.findall(page)) for page in pages}
    return "".join(found.pop()) if len(found) == 1 else ""


def _restarts(product: Kubernetes) -> dict[str, int]:
    """Return how often the container of each pod was restarted."""
    return {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"]
        for pod in product.running()
    }
