import httpx
import pytest

from madang_auth.backends.directory import Directory
from madang_common.http.client import create_client
from madang_common.problems import Conflict, NotFound, Unavailable
from services.auth.tests.harness import Harness


def answering(status: int, document: object) -> Directory:
    """Return a directory whose rooms has one answer."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=document))
    return Directory(create_client("http://rooms", transport=transport))


async def test_a_refusal_of_auth_by_rooms_is_503_for_the_client() -> None:
    for status in (400, 401, 403, 409, 429, 500, 503):
        with pytest.raises(Unavailable):
            await answering(status, {}).by_username("mina")


async def test_a_conflict_is_passed_on() -> None:
    with pytest.raises(Conflict):
        await answering(409, {}).add("mina", "hash", "Mina")


async def test_an_unknown_user_is_none() -> None:
    assert await answering(404, {}).by_username("mina") is None
    assert await answering(404, {}).by_id("u") is None


async def test_setting_the_password_of_an_unknown_user_is_not_found() -> None:
    with pytest.raises(NotFound):
        await answering(404, {}).set_password("u", "hash", instead_of="old")


@pytest.mark.parametrize("document", [[], {}, {"id": "u"}, "nonsense"])
async def test_a_malformed_answer_is_unavailable(document: object) -> None:
    with pytest.raises(Unavailable):
        await answering(200, document).by_id("u")


async def test_a_malformed_answer_is_logged_without_its_hash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = {"id": "u", "username": "mina", "password_hash": "$argon2id$secret", "disabled": 7}

    with pytest.raises(Unavailable):
        await answering(200, document).by_id("u")

    logged = capsys.readouterr().out
    assert "directory_answer_unreadable" in logged
    assert "$argon2id$secret" not in logged


async def test_rooms_answers_only_auth(harness: Harness) -> None:
    rooms = create_client("http://rooms", transport=harness.network)

    answer = await rooms.get("/internal/users/by-username/mina")

    assert answer.status_code == 401
