"""The general path of token verification: PyJWT, which understands every valid token."""

from collections.abc import Mapping
from typing import Any

import jwt

from madang_common.problems import Unauthenticated
from madang_common.tokens.claims import ALGORITHM

MALFORMED = (
    jwt.PyJWTError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Exceptions that the libraries raise for a malformed or forged token."""
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]


def verify(token: str, key: jwt.PyJWK, *, issuer: str, audience: str) -> dict[str, Any]:
    """Return the payload of `token`; raise one of MALFORMED if it is not valid.

    `exp` is present, but not compared with a clock.
    """
    payload: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        issuer=issuer,
        audience=audience,
        # TokenVerifier checks `exp` by its own clock. An `iat` in the future shows a clock that is
        # ahead, not an attack.
        options={
            "require": _REQUIRED,
            "verify_exp": False,
            "verify_iat": False,
            "strict_aud": True,
        },
    )
    return payload


def header_of(token: str) -> dict[str, Any]:
    """Return the header of `token`, not verified; raise Unauthenticated if it is not a token."""
    try:
        header = jwt.get_unverified_header(token)
    except MALFORMED as error:
        raise Unauthenticated("Malformed token; log in to get one.") from error
    return header


def key_id_of(header: Mapping[str, object]) -> str:
    """Return the `kid` of a token's header.

    Raise Unauthenticated if it has none, or another algorithm than the issuer's.
    """
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(kid, str) or not kid:
        raise Unauthenticated("The token was not signed by this server; log in again.")
    return kid
