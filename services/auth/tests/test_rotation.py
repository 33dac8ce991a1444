from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from madang_auth.sessions.port import (
    Lifetimes,
    Repeated,
    Reused,
    Rotated,
    Rotation,
    Session,
    Successor,
    Unknown,
)
from madang_auth.sessions.refresh_tokens import RefreshToken, new_nonce
from madang_auth.sessions.rotation import Record, decide, new_record

LIFETIMES = Lifetimes(idle=1000, absolute=3000, grace=10, ended_kept=660)
SESSION = Session("0" * 24, "u", "mina", "Mina", None, created_at=0, last_used_at=0)


@dataclass
class Store:
    """The record of one session."""

    token: RefreshToken = field(default_factory=lambda: RefreshToken.first(SESSION.id))
    record: Record | None = None

    def __post_init__(self) -> None:
        self.record = new_record(SESSION, self.token.hashes(), LIFETIMES)

    def show(
        self, token: RefreshToken, now: float, name: str | None = None
    ) -> tuple[Rotation, RefreshToken | None]:
        nonce = new_nonce()
        successor = Successor(token.successor(nonce).hashes().secret, nonce, name)
        answer, self.record = decide(
            self.record, token.hashes(), successor, now=now, lifetimes=LIFETIMES
        )
        match answer:
            case Rotated():
                return answer, token.successor(nonce)
            case Repeated(_, first):
                return answer, token.successor(first)
            case _:
                return answer, None


def test_the_display_name_is_kept_unless_another_is_known() -> None:
    store = Store()

    renamed, token = store.show(store.token, 1, name="미나")
    assert token is not None
    kept, _ = store.show(token, 2, name=None)

    assert renamed == Rotated(replace(SESSION, name="미나", last_used_at=1))
    assert kept == Rotated(replace(SESSION, name="미나", last_used_at=2))


def test_a_token_of_another_family_is_unknown_and_changes_nothing() -> None:
    store = Store()
    before = store.record
    stranger = RefreshToken.first(SESSION.id)

    answer, _ = store.show(stranger, 1)

    assert answer == Unknown()
    assert store.record is before


def test_an_expired_session_makes_every_token_unknown() -> None:
    store = Store()
    store.show(store.token, 1)

    answer, _ = store.show(store.token, 1001)

    assert answer == Unknown()
    assert store.record is None


def test_a_session_never_outlives_its_absolute_lifetime() -> None:
    store = Store()
    token: RefreshToken | None = store.token
    for now in (900, 1800, 2700):
        assert token is not None
        _, token = store.show(token, now)

    assert store.record is not None
    assert store.record.expires_at == 3000


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 20)), max_size=30))
def test_at_most_one_token_rotates_whatever_is_presented(
    shown: list[tuple[int, float]],
) -> None:
    """Any sequence of presented tokens forms one chain, and reuse ends the session."""
    store = Store()
    chain = [store.token]
    now = 0.0
    ended = False

    for back, pause in shown:
        now += pause
        token = chain[max(0, len(chain) - 1 - back)]
        newest = token is chain[-1]
        answer, given_token = store.show(token, now)
        if ended:
            assert answer == Unknown()
        elif newest:
            assert isinstance(answer, Rotated)
            assert given_token is not None
            chain.append(given_token)
        elif isinstance(answer, Repeated):
            assert token is chain[-2]
            assert given_token == chain[-1]
        else:
            assert isinstance(answer, Reused)
            assert store.record is None
            ended = True
