import httpx
import pytest

from madang_auth.accounts.service_clients import read_basic
from madang_auth.problems import InvalidClient
from madang_common.http.client import create_client
from madang_common.problems import Unauthenticated
from madang_common.tokens.service import ClientCredentials
from services.auth.tests.harness import SECRET, Harness

TOKEN = "/internal/token"
FORM = {"grant_type": "client_credentials"}


async def request_token(
    harness: Harness, name: str = "history", secret: str = SECRET
) -> httpx.Response:
    return await harness.client.post(TOKEN, data=FORM, auth=httpx.BasicAuth(name, secret))


async def test_a_service_gets_a_token_for_its_secret(harness: Harness) -> None:
    answer = await request_token(harness)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.json()
    assert set(document) == {"access_token", "token_type", "expires_in"}
    assert document["expires_in"] == 600
    claims = await harness.verifiers.services.verify(document["access_token"])
    assert claims.subject == "service:history"
    with pytest.raises(Unauthenticated):
        await harness.verifiers.users.verify(document["access_token"])


async def test_the_common_client_gets_a_token(harness: Harness) -> None:
    auth = create_client("http://auth", transport=harness.network)
    tokens = ClientCredentials(auth, name="gateway", secret=SECRET, clock=harness.time)

    token = await tokens.token()

    assert (await harness.verifiers.services.verify(token)).subject == "service:gateway"
    assert await tokens.token() == token


async def test_a_user_token_is_not_a_service_token(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()

    with pytest.raises(Unauthenticated):
        await harness.verifiers.services.verify(pair.access)


@pytest.mark.parametrize(
    ("name", "secret"),
    [("history", "wrong"), ("nobody", SECRET), ("auth", SECRET), ("history", ""), ("", SECRET)],
)
async def test_a_wrong_name_or_secret_is_refused(harness: Harness, name: str, secret: str) -> None:
    answer = await request_token(harness, name, secret)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Basic"


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !!!", "Bearer abc", "Basic /w==", "Basic " + "A" * 600]
)
def test_a_malformed_header_is_refused(authorization: str) -> None:
    with pytest.raises(InvalidClient):
        read_basic(authorization)


async def test_a_secret_may_have_colons_and_any_script() -> None:
    header = next(httpx.BasicAuth("rooms", "a:b:비밀").auth_flow(httpx.Request("GET", "http://x")))

    assert read_basic(header.headers["Authorization"]) == ("rooms", "a:b:비밀")


async def test_another_grant_type_is_refused(harness: Harness) -> None:
    auth = httpx.BasicAuth("history", SECRET)

    other = await harness.client.post(TOKEN, data={"grant_type": "password"}, auth=auth)
    none = await harness.client.post(TOKEN, auth=auth)

    assert other.status_code == 400
    assert none.status_code == 422


async def test_failures_are_limited_per_name_and_address(harness: Harness) -> None:
    for _ in range(10):
        await request_token(harness, secret="wrong")

    refused = await request_token(harness)
    elsewhere = await harness.at("198.51.100.7").post(
        TOKEN, data=FORM, auth=httpx.BasicAuth("history", SECRET)
    )

    assert refused.status_code == 429
    assert (await request_token(harness, "gateway")).status_code == 200
    assert elsewhere.status_code == 200


async def test_unknown_names_share_one_limit(harness: Harness) -> None:
    statuses = [(await request_token(harness, f"nobody-{n}")).status_code for n in range(12)]

    assert statuses == [401] * 10 + [429] * 2
    assert (await request_token(harness)).status_code == 200


async def test_successful_requests_are_not_limited(harness: Harness) -> None:
    statuses = {(await request_token(harness)).status_code for _ in range(30)}

    assert statuses == {200}
