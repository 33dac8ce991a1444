import pytest

from libs.client.tests.fakes.rest_server import RestServer
from madang_client import ProtocolError, Tokens
from madang_client.tokens import granted, stored


@pytest.mark.parametrize(("lifetime", "ahead"), [(3600, 60), (300, 60), (40, 10)])
def test_tokens_are_renewed_a_minute_or_a_quarter_of_their_life_ahead(
    lifetime: float, ahead: float
) -> None:
    tokens = Tokens("a", "r", expires_at=1_000, lifetime_seconds=lifetime)

    assert tokens.renew_at == 1_000 - ahead


def test_tokens_come_back_from_a_file_as_they_were() -> None:
    tokens = granted(RestServer().add_user("ada"), 1_000)

    assert stored(tokens.document()) == tokens
    assert tokens.claims["sub"] == "id-ada"


@pytest.mark.parametrize("access", ["", "opaque", "a.!!!.c", "a.e30"])
def test_a_token_of_another_kind_claims_nothing(access: str) -> None:
    assert Tokens(access, "r", 0, 0).claims == {}


@pytest.mark.parametrize("document", [None, {}, {"access_token": "a", "expires_in": "soon"}])
def test_an_answer_without_tokens_is_refused(document: object) -> None:
    with pytest.raises(ProtocolError):
        granted(document, 0)
    with pytest.raises(ValueError, match="no tokens"):
        stored(document)
