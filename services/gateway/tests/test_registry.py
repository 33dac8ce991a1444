from dataclasses import dataclass

from madang_common.token_bucket import Rate
from madang_gateway.session.registry import SessionRegistry


@dataclass(eq=False)
class Session:
    user: str


def users() -> SessionRegistry[Session]:
    return SessionRegistry(Rate(per_second=1, burst=1))


def test_sessions_are_found_by_their_user() -> None:
    found = users()
    first, second, other = Session("mina"), Session("mina"), Session("jun")

    for session in (first, second, other):
        found.add(session)

    assert set(found.sessions("mina")) == {first, second}
    assert found.sessions("jun") == (other,)
    assert found.sessions("nobody") == ()
    assert len(found) == 2


def test_a_user_without_sessions_is_not_there() -> None:
    found = users()
    session = Session("mina")
    found.add(session)

    found.remove(session)
    found.remove(session)

    assert found.sessions("mina") == ()
    assert len(found) == 0


def test_sessions_may_go_while_somebody_looks_at_them() -> None:
    found = users()
    for session in (Session("mina"), Session("mina")):
        found.add(session)

    for session in found.sessions("mina"):
        found.remove(session)

    assert len(found) == 0


def test_all_sessions_of_a_user_share_one_allowance() -> None:
    found = users()
    for session in (Session("mina"), Session("mina"), Session("jun")):
        found.add(session)

    assert found.bucket("mina").take(100) == 0
    assert found.bucket("mina").take(100) > 0
    assert found.bucket("jun").take(100) == 0


def test_the_allowance_lasts_without_a_session() -> None:
    found = users()

    assert found.bucket("mina").take(100) == 0
    assert found.bucket("mina").take(100) > 0


def test_connecting_anew_gives_no_new_allowance() -> None:
    found = users()
    session = Session("mina")
    found.add(session)
    found.bucket("mina").take(100)

    found.remove(session)
    found.add(session)

    assert found.bucket("mina").take(100) > 0
