from pathlib import Path

from madang_standalone.settings import StandaloneSettings
from madang_standalone.wiring import build


async def test_it_knows_of_all_services_what_must_go_on(tmp_path: Path) -> None:
    settings = StandaloneSettings(environment="development", data_dir=tmp_path, log_shards=2)

    async with build(settings) as served:
        works = {work.get_name() for work in served.works if not work.done()}

    assert works == {
        *("auth-keys", "auth-expiry"),
        "rooms-relay",
        "history-ingest",
        *("follow-0", "follow-1"),
        *("gateway-lag", "gateway-live", "gateway-presence", "gateway-time"),
    }
    assert all(work.done() for work in served.works)
