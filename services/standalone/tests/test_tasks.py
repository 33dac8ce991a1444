from pathlib import Path

from madang_standalone.settings import StandaloneSettings
from madang_standalone.wiring import build


async def test_the_background_tasks_of_all_services_are_served(tmp_path: Path) -> None:
    settings = StandaloneSettings(environment="development", data_dir=tmp_path, log_shards=2)

    async with build(settings) as served:
        running = {task.get_name() for task in served.tasks if not task.done()}

    assert running == {
        *("auth-keys", "auth-expiry"),
        *("gateway-log", "history-log", "rooms-log"),
        "rooms-relay",
        "history-ingest",
        *("follow-0", "follow-1"),
        *("gateway-lag", "gateway-live", "gateway-presence", "gateway-time"),
    }
    assert all(task.done() for task in served.tasks)
