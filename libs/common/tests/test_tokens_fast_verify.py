"""The fast path and the general path agree on every token."""

import base64
import json
import string
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from madang_common.tokens.claims import ALGORITHM
from madang_common.tokens.fast_verify import is_ordinary, verify_fast
from madang_common.tokens.general_verify import MALFORMED, verify

KEY = Ed25519PrivateKey.generate()
JWK = jwt.PyJWK.from_dict(
    json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(KEY.public_key())) | {"alg": ALGORITHM}
)
TRUSTED = {"issuer": "madang", "audience": "users"}
CLAIMS = {
    "iss": "madang",
    "aud": "users",
    "sub": "미나",
    "sid": "login",
    "jti": "j",
    "iat": int(time.time()),
    "exp": int(time.time()) + 60,
}
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Order of the base point of Ed25519 (RFC 8032)."""


def signed(payload: bytes | None = None, **headers: Any) -> str:
    body = json.dumps(CLAIMS).encode() if payload is None else payload
    return jwt.PyJWS().encode(body, KEY, algorithm="EdDSA", headers={"kid": "k", **headers})


def fast(token: str) -> dict[str, Any] | None:
    return verify_fast(token, KEY.public_key(), **TRUSTED)


def general(token: str) -> dict[str, Any] | None:
    try:
        return verify(token, JWK, **TRUSTED)
    except MALFORMED:
        return None


def check_agreement(token: str) -> None:
    """Fail if the fast path returns anything else than the general path, or nothing."""
    payload = fast(token)

    assert payload is None or payload == general(token)


TOKEN = signed()
HEAD, BODY, SIGNATURE = TOKEN.split(".")


def part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def malleated() -> str:
    """Return the token with S + L in place of S in its signature."""
    raw = base64.urlsafe_b64decode(SIGNATURE + "==")
    scalar = int.from_bytes(raw[32:], "little") + ORDER
    return f"{HEAD}.{BODY}.{part(raw[:32] + scalar.to_bytes(32, 'little'))}"


MALFORMED_TOKENS = [
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
    f"{HEAD}.{BODY}.{part(bytes(64))}",
    malleated(),
]
UNUSUAL_PAYLOADS = [
    b"[1]",
    b'"text"',
    b'{"iss": NaN}',
    b"\xff",
    b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode(),
    json.dumps(CLAIMS).encode("utf-16"),
    json.dumps(CLAIMS).encode().replace(b'"login"', b'"\\ud800"'),
    json.dumps(CLAIMS | {"nbf": 9_999_999_999}).encode(),
    json.dumps(CLAIMS | {"exp": 10**30}).encode(),
    json.dumps(CLAIMS | {"iat": 1.5}).encode(),
    json.dumps(CLAIMS | {"aud": ["users"]}).encode(),
    json.dumps({name: value for name, value in CLAIMS.items() if name != "jti"}).encode(),
    b"[" * 100_000,
]


def test_both_paths_accept_a_token_as_auth_writes_them() -> None:
    assert fast(TOKEN) == general(TOKEN) == CLAIMS


@pytest.mark.parametrize("token", MALFORMED_TOKENS)
def test_both_paths_refuse_a_malformed_token(token: str) -> None:
    assert fast(token) is general(token) is None


@pytest.mark.parametrize("payload", UNUSUAL_PAYLOADS)
def test_an_unusual_payload_is_left_to_the_general_path(payload: bytes) -> None:
    assert fast(signed(payload)) is None


def test_a_duplicated_claim_has_the_same_value_on_both_paths() -> None:
    payload = json.dumps(CLAIMS).encode().replace(b"{", b'{"sub": "root", ', 1)

    assert fast(signed(payload)) == general(signed(payload)) == CLAIMS


def test_a_token_signed_with_another_key_is_refused() -> None:
    other = Ed25519PrivateKey.generate().public_key()

    assert verify_fast(TOKEN, other, **TRUSTED) is None
    assert verify_fast(TOKEN, b"a key of another kind", **TRUSTED) is None


@pytest.mark.parametrize("name", TRUSTED)
def test_a_token_of_another_issuer_or_for_another_audience_is_refused(name: str) -> None:
    assert verify_fast(TOKEN, KEY.public_key(), **TRUSTED | {name: "other"}) is None


def test_a_header_field_that_changes_how_a_token_is_read_is_not_ordinary() -> None:
    assert is_ordinary(jwt.get_unverified_header(TOKEN))
    assert not is_ordinary({"alg": "EdDSA", "kid": "k", "crit": ["exp"]})
    assert not is_ordinary({"alg": "EdDSA", "kid": "k", "b64": False})


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(string.printable))
@example(len(TOKEN) - 1, "A")
def test_paths_agree_when_one_character_changes(place: int, character: str) -> None:
    token = TOKEN[:place] + character + TOKEN[place + 1 :]

    check_agreement(token)
    assert fast(token) is None or token == TOKEN


@given(
    st.lists(
        st.sampled_from([HEAD, BODY, SIGNATURE, "", "="]) | st.text(string.printable, max_size=8),
        max_size=5,
    )
)
def test_paths_agree_on_any_segments(segments: list[str]) -> None:
    check_agreement(".".join(segments))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "name", "x"]), _JSON, max_size=3))
def test_paths_agree_on_whatever_claims_are_signed(changes: dict[str, object]) -> None:
    check_agreement(signed(json.dumps(CLAIMS | changes).encode()))


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | _JSON.map(json.dumps).map(str.encode)
)
def test_paths_agree_on_whatever_bytes_are_signed(payload: bytes) -> None:
    check_agreement(signed(payload))


@given(st.binary(min_size=64, max_size=64))
def test_paths_agree_on_any_signature(signature: bytes) -> None:
    check_agreement(f"{HEAD}.{BODY}.{part(signature)}")
