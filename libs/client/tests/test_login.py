import httpx
import pytest

from libs.client.tests.fakes.rest_server import RestServer, problem
from madang_client import (
    Account,
    Conflict,
    Forbidden,
    Invalid,
    LoggedOut,
    Login,
    MemoryStore,
    NotAMember,
    NotFound,
    NotReachable,
    Person,
    ProtocolError,
    Unauthenticated,
)
from madang_client.rest import Rest, segment


async def test_a_registered_user_can_log_in(account: Account) -> None:
    user = await account.register("ada", "correct horse", display_name="Ada 🌿")

    login = await account.login("ada", "correct horse")

    assert (user.username, user.display_name) == ("ada", "Ada 🌿")
    assert (login.user, login.username) == (user.id, "ada")


async def test_a_username_that_is_taken_is_a_conflict(account: Account, login: Login) -> None:
    with pytest.raises(Conflict, match="taken"):
        await account.register("ada", "another password")


async def test_a_wrong_password_is_refused(account: Account, login: Login) -> None:
    with pytest.raises(Unauthenticated):
        await account.login("ada", "wrong")


async def test_a_login_resumes_from_stored_tokens(
    account: Account, login: Login, rest: RestServer
) -> None:
    store = MemoryStore(login.tokens)

    resumed = account.resume(store)

    assert [room async for room in resumed.rooms()] == []
    with pytest.raises(LoggedOut):
        account.resume(MemoryStore())


async def test_rooms_are_created_listed_over_pages_and_joined(
    account: Account, login: Login, rest: RestServer
) -> None:
    rest.page_size = 2
    made = [await login.create_room(f"room {number}") for number in range(5)]
    open_room = await login.create_room("open", public=True)
    await account.register("bob", "correct horse")
    bob = await account.login("bob", "correct horse")

    invite = await login.invite(made[0].id)
    accepted = await bob.accept(invite.code)
    joined = await bob.join(open_room.id)

    mine = [room.id async for room in login.rooms()]
    assert mine == [room.id for room in [*made, open_room]]
    assert [room.id async for room in bob.rooms()] == [accepted.id, joined.id]
    assert [room.id async for room in bob.public_rooms("op")] == [open_room.id]
    members = [member async for member in bob.members(accepted.id)]
    assert [(one.user.username, one.role) for one in members] == [
        ("ada", "owner"),
        ("bob", "member"),
    ]


async def test_present_people_are_listed_over_pages(login: Login, rest: RestServer) -> None:
    rest.page_size = 2
    room = rest.add_room("yard", "ada", "bob")
    rest.present[room] = ["ada", "bob", "cy"]

    people = [person async for person in login.present(room)]

    assert people == [Person("id-ada", "Ada"), Person("id-bob", "Bob"), Person("id-cy", "Cy")]
    with pytest.raises(NotAMember):
        _ = [person async for person in login.present(rest.add_room("others", "bob"))]


async def test_history_pages_back_to_the_beginning(login: Login, rest: RestServer) -> None:
    room = await login.create_room("yard")
    for number in range(5):
        rest.stomp.store(room.id, f"m{number}")

    newest = await login.history(room.id, limit=3)
    oldest = await login.history(room.id, limit=3, before=newest.before)

    assert [event.text for event in newest.items] == ["m2", "m3", "m4"]
    assert [event.text for event in oldest.items] == ["m0", "m1"]
    assert oldest.before is None


async def test_refusals_are_raised_as_their_own_class(
    account: Account, login: Login, rest: RestServer
) -> None:
    others = rest.add_room("others", "bob")

    with pytest.raises(NotAMember):
        await login.history(others)
    with pytest.raises(Forbidden):
        await login.join(others)
    with pytest.raises(NotFound):
        await login.room("nowhere")


async def test_a_rejected_token_is_renewed_once_and_the_call_retried(
    login: Login, rest: RestServer
) -> None:
    rest.faults = [lambda _: httpx.Response(401, json=problem("unauthenticated", 401))]

    assert [room async for room in login.rooms()] == []
    assert rest.refreshes == 1


async def test_after_a_logout_every_call_fails(login: Login, rest: RestServer) -> None:
    await login.logout()

    assert not rest.refresh_tokens
    with pytest.raises(LoggedOut):
        await login.create_room("yard")


async def test_a_refresh_gives_a_new_pair(login: Login) -> None:
    before = login.tokens

    after = await login.refresh()

    assert (after.access, after.refresh) != (before.access, before.refresh)
    assert login.tokens == after


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(200, text="<html>"), ProtocolError),
        (httpx.Response(200, json=[]), ProtocolError),
        (httpx.Response(200, json={"items": 1}), ProtocolError),
        (httpx.Response(200, json={"items": [{"id": 1}]}), ProtocolError),
        (httpx.Response(422, json=problem("invalid-body", 422)), Invalid),
    ],
)
async def test_malformed_responses_are_protocol_errors(
    login: Login, rest: RestServer, answer: httpx.Response, kind: type[Exception]
) -> None:
    rest.faults = [lambda _: answer]

    with pytest.raises(kind):
        _ = [room async for room in login.rooms()]


async def test_a_server_that_does_not_answer_is_not_reachable() -> None:
    async with Account("http://127.0.0.1:9") as account:
        with pytest.raises(NotReachable):
            await account.login("ada", "correct horse")


@pytest.mark.parametrize(
    ("server", "chat"),
    [
        ("http://127.0.0.1:8000/", "ws://127.0.0.1:8000/ws"),
        ("https://chat.example.org/yard", "wss://chat.example.org/yard/ws"),
    ],
)
async def test_the_websocket_url_is_derived_from_the_server(server: str, chat: str) -> None:
    async with Rest(server) as rest:
        assert rest.chat_url == chat


@pytest.mark.parametrize("server", ["", "chat.example.org", "ftp://x", "http://", "http://x?y"])
def test_a_malformed_server_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match="not a server's URL"):
        Rest(server)


def test_a_segment_stays_one_segment() -> None:
    assert segment("a/b?c#d") == "a%2Fb%3Fc%23d"
    assert segment("..") == "-"
