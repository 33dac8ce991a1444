import json
import string
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from madang_common.tokens.plain import is_plain, read_plain

KEY = Ed25519PrivateKey.generate()
CLAIMS = {"iss": "madang", "sub": "미나", "exp": 1}


def signed(payload: bytes | None = None, **headers: Any) -> str:
    body = json.dumps(CLAIMS).encode() if payload is None else payload
    return jwt.PyJWS().encode(body, KEY, algorithm="EdDSA", headers={"kid": "k", **headers})


TOKEN = signed()
HEAD, BODY, SIGNATURE = TOKEN.split(".")


def test_a_plain_token_is_read() -> None:
    assert read_plain(TOKEN, KEY.public_key()) == CLAIMS


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        f"{HEAD}.{BODY}.",
        f"{HEAD}.{BODY}",
        f"{TOKEN}.",
        f"{TOKEN}=",
        f" {TOKEN}",
        f"{TOKEN}\n",
        f"{HEAD}.{BODY}=.{SIGNATURE}",
        f"{HEAD}.{SIGNATURE}.{SIGNATURE}",
        f"{BODY}.{BODY}.{SIGNATURE}",
        f"{HEAD}.{BODY}.{'é' * 86}",
        signed(b"[1]"),
        signed(b'"text"'),
        signed(b'{"iss": NaN}'),
        signed(b"\xff"),
    ],
)
def test_any_other_is_left_to_the_library(token: str) -> None:
    assert read_plain(token, KEY.public_key()) is None


def test_another_key_signs_nothing() -> None:
    assert read_plain(TOKEN, Ed25519PrivateKey.generate().public_key()) is None
    assert read_plain(TOKEN, b"a key of another kind") is None


def test_a_header_that_changes_the_meaning_is_not_plain() -> None:
    assert is_plain(jwt.get_unverified_header(TOKEN))
    assert not is_plain({"alg": "EdDSA", "kid": "k", "crit": ["exp"]})
    assert not is_plain({"alg": "EdDSA", "kid": "k", "b64": False})


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(string.printable))
@example(len(TOKEN) - 1, "A")
def test_what_is_read_the_library_reads_as_well(place: int, character: str) -> None:
    token = TOKEN[:place] + character + TOKEN[place + 1 :]

    payload = read_plain(token, KEY.public_key())

    if payload is not None:
        assert payload == json.loads(jwt.PyJWS().decode(token, KEY.public_key(), ["EdDSA"]))
        assert token == TOKEN
