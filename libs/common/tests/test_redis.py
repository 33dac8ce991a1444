import pytest

from madang_common.redis import redis_client
from madang_common.settings import CannotStart


@pytest.mark.parametrize("url", ["", "http://user:secret@host/0", "redis://h:x/0"])
def test_an_invalid_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(CannotStart, match="MADANG_REDIS_URL is invalid") as refusal:
        redis_client(url, connections=1, timeout_seconds=1)

    assert "secret" not in str(refusal.value)


async def test_answers_are_bytes_or_text(redis_database_url: str) -> None:
    raw = redis_client(redis_database_url, connections=1, timeout_seconds=5)
    text = redis_client(redis_database_url, connections=1, timeout_seconds=5, decode=True)

    await raw.set("key", b"caf\xe9")

    assert await raw.get("key") == b"caf\xe9"
    assert await text.get("key") == "caf\ufffd"
    await raw.aclose()
    await text.aclose()
