from dataclasses import dataclass

from madang_common.problems import Problem
from madang_common.token_bucket import Rate
from madang_common.tokens.claims import Claims
from madang_gateway.protocol.stomp.errors import ProtocolError
from madang_gateway.session.disconnects import Disconnect
from madang_gateway.session.registry import SessionRegistry


@dataclass(eq=False)
class Session:
    user: str

    @property
    def claims(self) -> Claims:
        raise NotImplementedError

    def disconnect(self, why: Disconnect, error: Problem | ProtocolError | None = None) -> None:
        raise NotImplementedError

    def leave_room(self, room: str) -> None:
        raise NotImplementedError


def registry() -> SessionRegistry:
    return SessionRegistry(Rate(per_second=1, burst=1))


def test_sessions_are_found_by_their_user() -> None:
    found = registry()
    first, second, other = Session("mina"), Session("mina"), Session("jun")

    for session in (first, second, other):
        found.add(session)

    assert set(found.sessions("mina")) == {first, second}
    assert found.sessions("jun") == (other,)
    assert found.sessions("nobody") == ()
    assert len(found) == 2


def test_a_user_without_sessions_is_removed() -> None:
    found = registry()
    session = Session("mina")
    found.add(session)

    found.remove(session)
    found.remove(session)

    assert found.sessions("mina") == ()
    assert len(found) == 0


def test_sessions_may_be_removed_during_an_iteration() -> None:
    found = registry()
    for session in (Session("mina"), Session("mina")):
        found.add(session)

    for open_session in found.sessions("mina"):
        found.remove(open_session)

    assert len(found) == 0


def test_all_sessions_of_a_user_share_one_token_bucket() -> None:
    found = registry()
    for session in (Session("mina"), Session("mina"), Session("jun")):
        found.add(session)

    assert found.bucket("mina").take(100) == 0
    assert found.bucket("mina").take(100) > 0
    assert found.bucket("jun").take(100) == 0


def test_the_token_bucket_outlives_the_sessions() -> None:
    found = registry()

    assert found.bucket("mina").take(100) == 0
    assert found.bucket("mina").take(100) > 0


def test_reconnecting_does_not_refill_the_token_bucket() -> None:
    found = registry()
    session = Session("mina")
    found.add(session)
    found.bucket("mina").take(100)

    found.remove(session)
    found.add(session)

    assert found.bucket("mina").take(100) > 0
