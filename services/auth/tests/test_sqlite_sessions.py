from pathlib import Path

from madang_auth.sessions.port import EndedSession, Lifetimes, Session
from madang_auth.sessions.refresh_tokens import RefreshToken
from madang_auth.sessions.sqlite import SqliteSessionStore
from madang_common.ids import new_id

NOW = 1_800_000_000.0
LIFETIMES = Lifetimes(idle=1000, absolute=3000, grace=10, ended_kept=660)


def login(at: float) -> Session:
    return Session(new_id(), "u1", "mina", "미나", "phone", created_at=at, last_used_at=at)


async def test_expired_sessions_are_deleted(tmp_path: Path) -> None:
    sessions = await SqliteSessionStore.open_file(tmp_path / "sessions.db", LIFETIMES)
    for at in (NOW, NOW + 500):
        new = login(at)
        token = RefreshToken.first(new.id).hashes()
        await sessions.open(new, token, began_at=at, most=10)

    assert await sessions.delete_expired(now=NOW + 1000) == 1
    assert await sessions.delete_expired(now=NOW + 1000) == 0
    await sessions.close()


async def test_ended_sessions_are_deleted_once_their_tokens_have_expired(
    tmp_path: Path,
) -> None:
    sessions = await SqliteSessionStore.open_file(tmp_path / "sessions.db", LIFETIMES)
    await sessions.end_others("u1", keep=None, now=NOW)

    await sessions.delete_expired(now=NOW + 660)
    kept = await sessions.ended_after(None, limit=10)
    await sessions.delete_expired(now=NOW + 661)
    gone = await sessions.ended_after(None, limit=10)
    await sessions.end_others("u2", keep=None, now=NOW + 700)
    later = await sessions.ended_after(kept.cursor, limit=10)

    await sessions.close()
    assert kept.items == (EndedSession("u1", None, NOW),)
    assert gone.items == ()
    assert later.items == (EndedSession("u2", None, NOW + 700),)
