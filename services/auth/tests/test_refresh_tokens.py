from collections.abc import Callable

import pytest

from madang_auth.sessions.refresh_tokens import RefreshToken, new_nonce
from madang_common.ids import new_id


def test_a_token_reads_back_from_its_text() -> None:
    token = RefreshToken.first(new_id())

    assert RefreshToken.read(token.text()) == token
    assert len(token.text()) == 24 + 1 + 20 + 1 + 44


def test_a_successor_keeps_the_family_and_changes_the_secret() -> None:
    token = RefreshToken.first(new_id())

    successor = token.successor(new_nonce())

    assert successor.hashes().family == token.hashes().family
    assert successor.secret != token.secret
    assert RefreshToken.read(successor.text()) == successor


def test_a_successor_needs_both_the_token_and_the_nonce() -> None:
    token, other = RefreshToken.first(new_id()), RefreshToken.first(new_id())
    nonce = new_nonce()

    assert token.successor(nonce) == token.successor(nonce)
    assert token.successor(nonce).secret != token.successor(new_nonce()).secret
    assert token.successor(nonce).secret != other.successor(nonce).secret


def test_the_repr_of_a_token_has_no_secret() -> None:
    token = RefreshToken.first(new_id())

    assert repr(token) == f"RefreshToken(session='{token.session}')"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: text.replace(".", ":"),
        lambda text: "\u0131" + text[1:],
        lambda text: "",
    ],
)
def test_a_malformed_token_is_not_read(change: Callable[[str], str]) -> None:
    text = RefreshToken.first("a" * 24).text()

    assert RefreshToken.read(change(text)) is None
