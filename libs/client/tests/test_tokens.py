import pytest

from libs.client.tests.fakes.rest_server import RestServer
from madang_client import ProtocolError, Tokens
from madang_client.tokens import granted, stored


@pytest.mark.parametrize(("lifetime", "ahead"), [(3600, 60), (300, 60), (40, 10)])
def test_tokens_are_renewed_a_minute_or_a_quarter_of_their_lifetime_before_expiry(
    lifetime: float, ahead: float
) -> None:
    tokens = Tokens("a", "r", expires_at=1_000, lifetime_seconds=lifetime)

    assert tokens.renew_at == 1_000 - ahead


def test_tokens_round_trip_through_a_document() -> None:
    tokens = granted(RestServer().add_user("ada"), 1_000)

    assert stored(tokens.document()) == tokens
    assert tokens.claims["sub"] == "id-ada"


@pytest.mark.parametrize("access", ["", "opaque", "a.!!!.c", "a.e30"])
def test_an_opaque_token_has_no_claims(access: str) -> None:
    assert Tokens(access, "r", 0, 0).claims == {}


@pytest.mark.parametrize("document", [None, {}, {"access_token": "a", "expires_in": "soon"}])
def test_a_response_without_tokens_is_refused(document: object) -> None:
    with pytest.raises(ProtocolError):
        granted(document, 0)
    with pytest.raises(ValueError, match="no tokens"):
        stored(document)
