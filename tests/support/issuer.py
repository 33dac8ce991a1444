"""An issuer of tokens for tests: real keys, real signatures, and the JWK set behind a transport."""

import json
import time

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from madang_common.http.client import create_client
from madang_common.ids import new_id
from madang_common.tokens.claims import ALGORITHM, SERVICES, USERS
from madang_common.tokens.verifier import Verifiers

ISSUER = "madang"


class Issuer:
    """Signs tokens as auth would."""

    def __init__(self, kid: str = "test-1") -> None:
        self.kid = kid
        self._key = Ed25519PrivateKey.generate()

    def jwks(self) -> dict[str, object]:
        """Return the public key as a JWK set."""
        jwk = json.loads(OKPAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [jwk | {"kid": self.kid, "alg": ALGORITHM, "use": "sig"}]}

    def client(self) -> httpx.AsyncClient:
        """Return a client whose only page is the JWK set."""
        answer = httpx.MockTransport(lambda _: httpx.Response(200, json=self.jwks()))
        return create_client("http://auth", transport=answer)

    def verifiers(self) -> Verifiers:
        """Return verifiers that trust this issuer."""
        return Verifiers.from_jwks(self.client(), issuer=ISSUER)

    def token(self, user: str, *, seconds: float = 300, **claims: object) -> str:
        """Return an access token for `user`, with `claims` added or replaced."""
        return self._sign({"aud": USERS, "sub": user, "sid": f"login-of-{user}"}, seconds, claims)

    def service_token(self, name: str, *, seconds: float = 300, **claims: object) -> str:
        """Return a service token for `name`."""
        return self._sign({"aud": SERVICES, "sub": f"service:{name}"}, seconds, claims)

    def _sign(self, base: dict[str, object], seconds: float, claims: dict[str, object]) -> str:
        now = int(time.time())
        payload = {"iss": ISSUER, "iat": now, "exp": now + int(seconds), "jti": new_id()}
        payload |= {"username": base["sub"], "name": base["sub"], **base, **claims}
        return jwt.encode(payload, self._key, algorithm=ALGORITHM, headers={"kid": self.kid})


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries `token`."""
    return {"Authorization": f"Bearer {token}"}
