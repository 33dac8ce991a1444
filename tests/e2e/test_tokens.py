"""Tokens with a valid signature and invalid claims: refused by every service."""

import json
import time
from pathlib import Path

import jwt
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from madang_auth.signing.keys import read_keys
from madang_common.tokens.claims import USERS
from tests.e2e.embedded import Embedded
from tests.e2e.people import Person
from tests.e2e.product import Product
from tests.e2e.stacked import Stacked
from tests.support.tls import client_context

_PATHS = {
    "auth": "/api/auth/v1/me",
    "rooms": "/api/rooms/v1/rooms",
    "history": "/api/history/v1/rooms/000000000000000000000000/messages",
    "gateway": "/api/gateway/v1/rooms/000000000000000000000000/messages",
}
_WRONG = [
    {"exp": float("inf")},
    {"exp": float("nan")},
    {"exp": 1e300},
    {"exp": 10**30},
    {"exp": [1]},
    {"exp": True},
    {"iat": float("inf")},
    {"iat": "now"},
    {"sid": ["login"]},
    {"sid": 7},
    {"sid": {"a": 1}},
    {"sub": ["somebody"]},
    {"sub": 7},
    {"name": ["Minji"]},
    {"name": 7},
    {"username": None},
    {"username": "\ud800"},
    {"nbf": float("inf")},
    {"jti": []},
]


@pytest.fixture
def keys(product: Product) -> Path:
    """Give the folder of the keys that the product signs with."""
    if isinstance(product, Embedded):
        return product.folder / "data" / "auth" / "keys"
    if isinstance(product, Stacked):
        return product.stack.folder / "secrets" / "signing"
    pytest.skip("the keys are inside a container")


def signed(keys: Path, person: Person, **changes: object) -> str:
    """Return a token of the person's, signed by the product's key, with claims changed."""
    own = jwt.decode(person.token, options={"verify_signature": False})
    claims = own | {"aud": USERS, "exp": int(time.time()) + 60} | changes
    found = read_keys(keys)
    headers = {"kid": found.kid}
    return jwt.PyJWS().encode(json.dumps(claims).encode(), found.signing, "EdDSA", headers)


@pytest.mark.parametrize("changes", _WRONG, ids=str)
def test_a_claim_of_a_wrong_type_is_refused_by_every_service(
    product: Product, minji: Person, keys: Path, changes: dict[str, object]
) -> None:
    good, wrong = signed(keys, minji), signed(keys, minji, **changes)

    for token, expected in ((good, True), (wrong, False)):
        headers = {"Authorization": f"Bearer {token}"}
        for service, path in _PATHS.items():
            method = "POST" if service == "gateway" else "GET"
            body = {"text": "hello"} if service == "gateway" else None
            answer = minji.client.request(method, path, headers=headers, json=body)
            assert answer.status_code < 500, (service, answer.text)
            assert (answer.status_code != 401) == expected, (service, answer.text)
        assert connects(product, token) == expected


def connects(product: Product, token: str) -> bool:
    """Return whether a CONNECT with `token` is taken."""
    tls = client_context() if product.ws_url.startswith("wss:") else None
    protocols = [Subprotocol("v12.stomp")]
    with connect(product.ws_url, ssl=tls, subprotocols=protocols) as socket:
        socket.send(f"CONNECT\naccept-version:1.2\nhost:x\nAuthorization:{token}\n\n\0")
        answer = str(socket.recv(timeout=20))
    assert answer.startswith(("CONNECTED", "ERROR")), answer
    return answer.startswith("CONNECTED")
