import pytest

from madang_common.http.bearer import bearer_token


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ("Bearer a.b.c", "a.b.c"),
        ("bearer   a.b.c ", "a.b.c"),
        ("Bearer", ""),
        ("Basic a.b.c", None),
        ("a.b.c", None),
        ("", None),
        (None, None),
    ],
)
def test_the_token_follows_the_scheme(authorization: str | None, token: str | None) -> None:
    assert bearer_token(authorization) == token
