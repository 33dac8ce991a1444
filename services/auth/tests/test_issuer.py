import jwt

from madang_common.tokens.plain import is_plain, read_plain
from services.auth.tests.scene import SECRET, Scene


async def test_its_tokens_are_read_the_short_way(scene: Scene) -> None:
    await scene.register()
    access = (await scene.login()).access
    answer = await scene.client.post(
        "/internal/token", data={"grant_type": "client_credentials"}, auth=("rooms", SECRET)
    )
    keys = jwt.PyJWKSet.from_dict((await scene.client.get("/.well-known/jwks.json")).json())

    for token in (access, answer.json()["access_token"]):
        header = jwt.get_unverified_header(token)
        payload = read_plain(token, keys[header["kid"]].key)

        assert is_plain(header)
        assert payload is not None
        assert (type(payload["iat"]), type(payload["exp"]), type(payload["jti"])) == (int, int, str)
