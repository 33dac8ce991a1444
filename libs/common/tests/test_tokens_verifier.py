import asyncio
import base64
import hmac
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang_common.http.client import create_client
from madang_common.problems import Unauthenticated
from madang_common.tokens.claims import SERVICES, USERS
from madang_common.tokens.verifier import Verifiers
from tests.support.issuer import ISSUER, Issuer

PAYLOAD = {"iss": ISSUER, "aud": USERS, "sub": "ana", "sid": "login"}


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def verifiers(issuer: Issuer) -> Verifiers:
    return issuer.verifiers()


def payload(**changes: object) -> dict[str, Any]:
    now = int(time.time())
    claims = PAYLOAD | {"iat": now, "exp": now + 60} | changes
    return {name: value for name, value in claims.items() if value is not None}


def part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


async def test_a_users_token_says_who_it_is(issuer: Issuer, verifiers: Verifiers) -> None:
    claims = await verifiers.users.verify(issuer.token("ana", username="ana", name="안나 🌷"))

    assert (claims.subject, claims.session) == ("ana", "login-of-ana")
    assert (claims.username, claims.name) == ("ana", "안나 🌷")
    assert claims.expires_at == pytest.approx(time.time() + 300, abs=5)


async def test_a_token_of_a_revoked_session_is_refused(
    issuer: Issuer, verifiers: Verifiers
) -> None:
    token = issuer.token("ana")
    other = issuer.token("ana", sid="another login")
    await verifiers.users.verify(token)

    verifiers.users.revoke_session("login-of-ana")

    with pytest.raises(Unauthenticated, match="ended"):
        await verifiers.users.verify(token)
    assert (await verifiers.users.verify(other)).session == "another login"


async def test_after_all_sessions_were_revoked_newer_tokens_are_accepted(
    issuer: Issuer, verifiers: Verifiers
) -> None:
    now = int(time.time())
    old, kept = issuer.token("ana", iat=now - 1), issuer.token("ana", iat=now - 1, sid="kept")
    new, others = issuer.token("ana", iat=now, sid="new"), issuer.token("bo", iat=now - 1)
    await verifiers.users.verify(old)

    verifiers.users.revoke_sessions("ana", at=now + 0.9, keep="kept")

    with pytest.raises(Unauthenticated, match="ended"):
        await verifiers.users.verify(old)
    for token in (kept, new, others):
        await verifiers.users.verify(token)


async def test_of_two_revocations_of_all_sessions_the_later_counts(
    issuer: Issuer, verifiers: Verifiers
) -> None:
    now = int(time.time())
    verifiers.users.revoke_sessions("ana", at=now, keep="second")
    verifiers.users.revoke_sessions("ana", at=now - 10, keep="first")

    claims = await verifiers.users.verify(issuer.token("ana", iat=now - 5, sid="second"))

    assert verifiers.users.is_active(claims)
    with pytest.raises(Unauthenticated, match="ended"):
        await verifiers.users.verify(issuer.token("ana", iat=now - 5, sid="first"))


async def test_a_service_token_needs_no_session(issuer: Issuer, verifiers: Verifiers) -> None:
    claims = await verifiers.services.verify(issuer.service_token("history"))

    assert (claims.subject, claims.session) == ("service:history", "")


async def test_a_token_is_for_its_own_audience_only(issuer: Issuer, verifiers: Verifiers) -> None:
    with pytest.raises(Unauthenticated):
        await verifiers.services.verify(issuer.token("service:history"))
    with pytest.raises(Unauthenticated):
        await verifiers.users.verify(issuer.service_token("ana"))


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iss": "somebody else"}, id="issuer"),
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"aud": "another product"}, id="audience"),
        pytest.param({"aud": [USERS, SERVICES]}, id="two audiences"),
        pytest.param({"aud": None}, id="no audience"),
        pytest.param({"exp": 1}, id="expired"),
        pytest.param({"exp": None}, id="never expires"),
        pytest.param({"exp": "tomorrow"}, id="expiry that is no time"),
        pytest.param({"iat": None}, id="no time of issue"),
        pytest.param({"nbf": 9_999_999_999}, id="not yet valid"),
        pytest.param({"sub": None}, id="nobody's"),
        pytest.param({"sid": None}, id="no login"),
        pytest.param({"sid": ""}, id="empty login"),
    ],
)
async def test_a_token_with_wrong_claims_does_not_hold(
    issuer: Issuer, verifiers: Verifiers, claims: dict[str, object]
) -> None:
    token = signed(issuer, payload(**claims))

    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await verifiers.users.verify(token)


def signed(issuer: Issuer, claims: dict[str, Any]) -> str:
    """Return a token of the issuer that says `claims`, whatever they are."""
    headers = {"kid": issuer.kid}
    return jwt.PyJWS().encode(json.dumps(claims).encode(), issuer._key, "EdDSA", headers)


INFINITY, NAN = float("inf"), float("nan")
NO_TEXT: list[object] = [None, True, 7, 1.5, NAN, [], ["a"], {}, {"a": "b"}, "\ud800"]
NO_TIME: list[object] = [None, True, "1", [], {}, -1, INFINITY, -INFINITY, NAN, 1e300, 10**18]
WRONG: dict[str, list[object]] = {
    **dict.fromkeys(("sub", "sid", "username", "name"), NO_TEXT),
    **dict.fromkeys(("exp", "iat"), NO_TIME),
    "nbf": [INFINITY, NAN, [], {}, "x"],
    "jti": [7, [], {}],
    "iss": [7, [], {}, [ISSUER]],
    "aud": [7, [], {}, [USERS]],
}


@pytest.mark.parametrize("known", [False, True], ids=["general path", "fast path"])
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
async def test_a_claim_of_a_wrong_type_is_refused_though_the_issuer_signed_it(
    issuer: Issuer, verifiers: Verifiers, name: str, value: object, *, known: bool
) -> None:
    now = int(time.time())
    claims = PAYLOAD | {"iat": now, "exp": now + 60, "jti": "j", "username": "ana", "name": "Ana"}
    if known:
        await verifiers.users.verify(signed(issuer, claims))

    with pytest.raises(Unauthenticated):
        await verifiers.users.verify(signed(issuer, claims | {name: value}))


_TEXT = st.text("a1é\0", max_size=3)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=3,
)
_CLAIMS = ("iss", "aud", "sub", "sid", "username", "name", "iat", "exp", "nbf", "jti")
_ISSUER = Issuer()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(_CLAIMS), _JSON, max_size=3), st.booleans())
def test_whatever_is_signed_is_read_or_refused(changes: dict[str, object], known: bool) -> None:  # noqa: FBT001 - drawn
    now = int(time.time())
    claims = PAYLOAD | {"iat": now, "exp": now + 60, "jti": "j", "username": "ana", "name": "Ana"}

    async def verify() -> None:
        verifiers = _ISSUER.verifiers()
        if known:
            await verifiers.users.verify(signed(_ISSUER, claims))
        try:
            found = await verifiers.users.verify(signed(_ISSUER, claims | changes))
        except Unauthenticated:
            return
        assert all(type(text) is str for text in (found.subject, found.session, found.username))
        assert type(found.name) is str
        assert type(found.expires_at) is type(found.issued_at) is int

    asyncio.run(verify())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "x"]), _JSON))
def test_an_unsigned_header_is_refused(header: dict[str, object]) -> None:
    verifiers = _ISSUER.verifiers()

    for changes in ({}, {"alg": "EdDSA"}, {"alg": "EdDSA", "kid": _ISSUER.kid}):
        with pytest.raises(Unauthenticated):
            asyncio.run(verifiers.users.verify(f"{part(header | changes)}.{part({})}.AAAA"))


@pytest.mark.parametrize("text", ["[" * 3000, '{"a":' * 600, "1" * 3000, "-1e999999", "NaN"])
async def test_json_that_a_reader_stumbles_over_is_refused(
    issuer: Issuer, verifiers: Verifiers, text: str
) -> None:
    head = base64.urlsafe_b64encode(f'{{"alg":"EdDSA","kid":"k","x":{text}'.encode()).decode()
    body = jwt.PyJWS().encode(text.encode(), issuer._key, "EdDSA", {"kid": issuer.kid})

    for token in (f"{head.rstrip('=')}.e30.AAAA", body):
        with pytest.raises(Unauthenticated):
            await verifiers.users.verify(token)


async def test_forged_headers_do_not_evict_those_in_use(
    issuer: Issuer, verifiers: Verifiers
) -> None:
    await verifiers.users.verify(issuer.token("ana"))
    in_use = dict(verifiers.users._key_ids)

    for n in range(200):
        with pytest.raises(Unauthenticated):
            await verifiers.users.verify(
                f"{part({'alg': 'EdDSA', 'kid': issuer.kid, 'typ': n})}.e30.AAAA"
            )

    assert dict(verifiers.users._key_ids) == in_use != {}


async def test_a_flood_of_tokens_with_unknown_keys_is_one_question(issuer: Issuer) -> None:
    asked = 0

    async def page(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return httpx.Response(200, json=issuer.jwks())

    client = create_client("http://auth", transport=httpx.MockTransport(page))
    verifiers = Verifiers.from_jwks(client, issuer=ISSUER)
    forged = [Issuer(kid=f"unknown-{n}").token("ana") for n in range(200)]
    flood = [verifiers.users.verify(token) for token in forged]
    flood += [verifiers.services.verify(token) for token in forged]

    answers = await asyncio.gather(*flood, return_exceptions=True)

    assert all(isinstance(answer, Unauthenticated) for answer in answers)
    assert (await verifiers.users.verify(issuer.token("ana"))).subject == "ana"
    assert asked == 1


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256", "ES256", "EdDSA"])
async def test_a_token_without_the_issuers_signature_does_not_hold(
    issuer: Issuer, verifiers: Verifiers, algorithm: str
) -> None:
    head = {"alg": algorithm, "typ": "JWT", "kid": issuer.kid}

    for signature in ("", part("signed"), "A" * 86):
        with pytest.raises(Unauthenticated):
            await verifiers.users.verify(f"{part(head)}.{part(payload())}.{signature}")


async def test_the_public_key_as_a_shared_secret_signs_nothing(
    issuer: Issuer, verifiers: Verifiers
) -> None:
    public = issuer._key.public_key()
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    der = public.public_bytes(serialization.Encoding.DER, info)
    pem = public.public_bytes(serialization.Encoding.PEM, info)
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': issuer.kid})}.{part(payload())}"
    for secret in (raw, der, pem, json.dumps(issuer.jwks()).encode()):
        # By hand: PyJWT itself refuses to sign like this.
        code = hmac.digest(secret, signed.encode(), "sha256")
        signature = base64.urlsafe_b64encode(code).rstrip(b"=").decode()
        with pytest.raises(Unauthenticated):
            await verifiers.users.verify(f"{signed}.{signature}")


async def test_another_kind_of_key_signs_nothing(issuer: Issuer, verifiers: Verifiers) -> None:
    key = generate_private_key(SECP256R1())
    token = jwt.encode(payload(), key, algorithm="ES256", headers={"kid": issuer.kid})

    with pytest.raises(Unauthenticated):
        await verifiers.users.verify(token)


async def test_another_key_of_the_same_name_signs_nothing(
    issuer: Issuer, verifiers: Verifiers
) -> None:
    forged = Issuer(kid=issuer.kid).token("ana")

    with pytest.raises(Unauthenticated):
        await verifiers.users.verify(forged)


async def test_a_key_brought_along_signs_nothing(issuer: Issuer, verifiers: Verifiers) -> None:
    key = Ed25519PrivateKey.generate()
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    headers = {"kid": issuer.kid, "jwk": jwk, "jku": "http://evil.example/jwks.json"}

    with pytest.raises(Unauthenticated):
        await verifiers.users.verify(jwt.encode(payload(), key, algorithm="EdDSA", headers=headers))


async def test_a_changed_token_does_not_hold(issuer: Issuer, verifiers: Verifiers) -> None:
    head, body, signature = issuer.token("ana").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))

    with pytest.raises(Unauthenticated):
        await verifiers.users.verify(f"{head}.{part(claims | {'sub': 'root'})}.{signature}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a.b",
        "a.b.c",
        "....",
        "\x00",
        "안녕",
        "x" * 100_000,
        f"{part([])}.{part({})}.",
        f"{part({'alg': 'EdDSA'})}.{part({})}.",
        f"{part({'alg': 'EdDSA', 'kid': 7})}.{part({})}.",
        f"{part({'alg': 'EdDSA', 'kid': 'test-1'})}.{part([])}.",
    ],
)
async def test_a_malformed_token_is_refused(verifiers: Verifiers, text: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifiers.users.verify(text)


async def test_a_token_expires_even_if_it_was_good_before(issuer: Issuer) -> None:
    now = time.time()
    verifiers = Verifiers.from_jwks(issuer.client(), issuer=ISSUER, clock=lambda: now)
    token = issuer.token("ana", seconds=60)
    await verifiers.users.verify(token)

    now += 61

    with pytest.raises(Unauthenticated, match="expired"):
        await verifiers.users.verify(token)
    with pytest.raises(Unauthenticated, match="expired"):
        verifiers.users.verify_now(token)


async def test_a_known_token_is_verified_without_waiting(
    issuer: Issuer, verifiers: Verifiers
) -> None:
    token = issuer.token("ana")
    assert verifiers.users.verify_now(token) is None

    await verifiers.users.verify(token)

    for known in (token, issuer.token("bo")):
        claims = verifiers.users.verify_now(known)
        assert claims is not None
