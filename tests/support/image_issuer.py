"""The issuer of tokens that a registry of images trusts."""

import base64
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding


@dataclass(frozen=True)
class Issuer:
    """Signs tokens as the issuer of a registry does."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls) -> "Issuer":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(
            issuer_name=name,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(minutes=1),
            not_valid_after=now + timedelta(hours=1),
        )
        return cls(key, made.sign(key, SHA256()))

    def token(self, path: str) -> bytes:
        """Return the answer to a request for a token."""
        asked = parse_qs(urlsplit(path).query)
        kind, name, action = asked["scope"][0].split(":")
        now = int(time.time())
        claims = {
            "iss": "issuer",
            "aud": asked["service"][0],
            "nbf": now - 60,
            "iat": now,
            "exp": now + 60,
            "access": [{"type": kind, "name": name, "actions": [action]}],
        }
        chain = [base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()]
        token = jwt.encode(claims, self.key, algorithm="ES256", headers={"x5c": chain})
        return json.dumps({"token": token}).encode()
