import jwt

from madang_common.tokens.claims import SERVICES, USERS
from madang_common.tokens.fast_verify import is_ordinary, verify_fast
from services.auth.tests.harness import SECRET, Harness


async def test_issued_tokens_take_the_fast_path_of_the_verifier(harness: Harness) -> None:
    await harness.register()
    access = (await harness.login()).access
    answer = await harness.client.post(
        "/internal/token", data={"grant_type": "client_credentials"}, auth=("rooms", SECRET)
    )
    keys = jwt.PyJWKSet.from_dict((await harness.client.get("/.well-known/jwks.json")).json())

    for token, audience in ((access, USERS), (answer.json()["access_token"], SERVICES)):
        header = jwt.get_unverified_header(token)
        key = keys[header["kid"]].key

        assert is_ordinary(header)
        assert verify_fast(token, key, issuer="madang", audience=audience) is not None
