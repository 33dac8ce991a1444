import jwt

from madang_common.tokens.plain import is_plain, read_plain
from services.auth.tests.harness import SECRET, Harness


async def test_issued_tokens_take_the_fast_path_of_the_verifier(harness: Harness) -> None:
    await harness.register()
    access = (await harness.login()).access
    answer = await harness.client.post(
        "/internal/token", data={"grant_type": "client_credentials"}, auth=("rooms", SECRET)
    )
    keys = jwt.PyJWKSet.from_dict((await harness.client.get("/.well-known/jwks.json")).json())

    for token in (access, answer.json()["access_token"]):
        header = jwt.get_unverified_header(token)
        payload = read_plain(token, keys[header["kid"]].key)

        assert is_plain(header)
        assert payload is not None
        assert (type(payload["iat"]), type(payload["exp"]), type(payload["jti"])) == (int, int, str)
