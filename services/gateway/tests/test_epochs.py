"""The gateway across epochs of the log, at the end of its own, and without a log."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from madang_common.log import guard, verification
from madang_common.log.port import Batch, LogEnded, LogLost, LogUnavailable, Start
from madang_common.log.position import epoch_of, from_id, offset_of
from madang_common.log.runbooks import BROKER_DATA_LOST
from madang_common.log.sqlite import SqliteLog
from madang_common.settings import CannotStart
from madang_gateway.consume import log_consumer
from services.gateway.tests.harness import ROOM, Harness, message, removal, running, until

YARD = f"/topic/rooms.{ROOM}"


class Losable(SqliteLog):
    """A log whose streams vanish when the test says so."""

    lost = False
    asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.lost:
            raise LogLost("RabbitMQ has no stream madang.log.0")

    def lose(self) -> None:
        """Lose all streams; readers are cancelled first, as RabbitMQ does."""
        self.lost = True
        for shard in self._shards:
            shard.wake()

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        self._ask()
        await super().append(shard, lines)

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        self._ask()
        state = self._shards[shard]
        offset = start if isinstance(start, int) else 0
        while True:
            if self.lost:
                raise LogUnavailable("the broker ended the consumer")
            grown = state.grown
            for batch in state.after(offset) or ():
                yield batch
                offset = batch.offset + 1
            if offset >= state.end:
                await grown.wait()

    @override
    async def end(self, shard: int) -> int:
        self._ask()
        return await super().end(shard)

    @override
    async def ping(self) -> None:
        self._ask()
        await super().ping()


async def begin_epoch(folder: Path, epoch: int) -> None:
    """Begin `epoch`, which ends those before, while other processes go on."""
    await (await SqliteLog.open(folder / "log.db", 2, epoch=epoch)).close()


async def ready(harness: Harness) -> tuple[int, dict[str, str]]:
    """Return the status code of the readiness, and the state of each dependency."""
    answer = await harness.http.get("/health/ready")
    states: dict[str, str] = answer.json()["dependencies"]
    return answer.status_code, states


def log_metric(harness: Harness, name: str) -> float | None:
    sample: float | None = harness.app.state.registry.get_sample_value(
        f"madang_log_{name}", {"service": "gateway"}
    )
    return sample


@pytest.mark.parametrize("shards", [1, 2, 5])
async def test_a_client_resumes_across_epochs(tmp_path: Path, shards: int) -> None:
    async with running(tmp_path) as first, first.connected("mina") as mina:
        before = [await mina.send(text) for text in ("a", "b", "c")]
        await first.history.store_all()
    async with (
        running(tmp_path, epoch=1, shards=shards, history=first.history) as second,
        second.connected("mina") as mina,
        second.connected("jun") as jun,
    ):
        after = [await mina.send("d")]

        receipt = await jun.subscribe(YARD, since=before[0])
        after.append(await mina.send("e"))

        assert receipt["resumed"] == "true"
        received = await jun.messages(4)
        assert [frame.text for frame in received] == ["b", "c", "d", "e"]
        ids = [frame.headers["message-id"] for frame in received]
        assert ids == before[1:] + after == sorted(ids)
        assert [epoch_of(offset_of(from_id(one))) for one in ids] == [0, 0, 1, 1]


async def test_a_client_resumes_from_the_start_of_an_epoch(tmp_path: Path) -> None:
    async with running(tmp_path, epoch=1) as harness:
        async with harness.connected("jun") as jun:
            since = (await jun.subscribe(YARD))["position"]
        async with harness.connected("mina") as mina:
            await mina.send("a")
        async with harness.connected("jun") as jun:
            receipt = await jun.subscribe(YARD, since=since)

            assert receipt["resumed"] == "true"
            assert (await jun.message()).text == "a"
    async with (
        running(tmp_path, epoch=1, history=harness.history, tail_seconds=0) as later,
        later.connected("jun") as jun,
    ):
        receipt = await jun.subscribe(YARD, since=since)
        assert receipt["resumed"] == "true"


async def test_a_client_whose_since_was_lost_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as first, first.connected("mina") as mina:
        stored, lost = await mina.send("stored"), await mina.send("lost")
        await first.history.store_all()
    async with running(tmp_path, epoch=1, history=first.history) as second:
        second.history.lost_before = from_id(lost) + 1
        async with second.connected("mina") as mina, second.connected("jun") as jun:
            await mina.send("new")
            for since in (stored, lost):
                receipt = await jun.subscribe(YARD, f"s{since}", since=since)

                assert receipt["resumed"] == "false"
                assert (await jun.message(f"s{since}")).text == "new"


async def test_a_key_of_the_epoch_before_is_recognized(tmp_path: Path) -> None:
    async with running(tmp_path) as first:
        answer = await first.post("mina", text="once", key="k")
        sent = answer.json()["id"]
    async with running(tmp_path, epoch=1, shards=3) as second:
        second.history.away = True
        async with second.connected("mina") as mina, second.connected("jun") as jun:
            await jun.subscribe(YARD)

            again = await mina.send("once", key="k")
            other = await mina.send("twice", key="another")

            assert again == sent
            assert other > sent
            assert (await jun.message()).text == "twice"
        conflict = await second.post("mina", text="different", key="k")
        assert conflict.status_code == 409


async def test_the_first_of_two_epochs_before_counts(tmp_path: Path) -> None:
    ids = []
    for epoch in (0, 1):
        log = await SqliteLog.open(tmp_path / "log.db", 2, epoch=epoch)
        event = message("once", key="k")
        for shard in range(2):
            await log.append(shard, (event.line(),))
        ids.append(epoch)
        await log.close()
    async with running(tmp_path, epoch=2) as harness, harness.connected("mina") as mina:
        harness.history.away = True
        again = await mina.send("once", key="k")

    assert epoch_of(offset_of(from_id(again))) == 0


async def test_a_message_that_did_not_count_is_not_recalled(tmp_path: Path) -> None:
    """A former member's late message is no message; they may send it as a member again."""
    async with running(tmp_path) as first:
        await first.append(removal("mina"))
        await first.append(message("late", key="k"))
    async with running(tmp_path, epoch=1) as second, second.connected("mina") as mina:
        await second.append(
            message(
                "joined",
                sender="mina",
                kind="member.joined",
                data={
                    "user": "mina",
                    "name": "Mina",
                    "role": "member",
                },
            )
        )
        assert epoch_of(offset_of(from_id(await mina.send("late", key="k")))) == 1


async def test_at_the_end_of_its_epoch_a_gateway_stops_and_says_so_once(tmp_path: Path) -> None:
    async with running(tmp_path, drain_seconds=0) as harness:
        async with harness.connected("mina") as mina, harness.connected("jun") as jun:
            await jun.subscribe(YARD)
            await mina.subscribe("/user/queue/errors", "errors")
            await mina.send("before")
            assert (await ready(harness))[0] == 200
            await begin_epoch(tmp_path, 1)

            with capture_logs() as entries:
                refused = [await harness.post("jun", text="late") for _ in range(3)]
                assert [await mina.closed(), await jun.closed()] == [1012, 1012]

            assert [answer.status_code for answer in refused] == [503] * 3
            assert [frame.text for frame in jun.left()] == ["before"]
        status, states = await ready(harness)
        assert status == 503
        assert states["follower"] == states["log"] == "LogEnded"
        assert states["admission"] != "ok"
        assert log_metric(harness, "ended") == 1
        said = [entry["event"] for entry in entries if entry["log_level"] == "error"]
        assert said == ["log_ended"]
        assert not any(task.done() for task in harness.app.state.tasks)


async def test_a_gateway_does_not_start_in_an_epoch_that_has_ended(tmp_path: Path) -> None:
    class Ending(SqliteLog):
        """A log whose epoch ends right after it was opened."""

        @override
        async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
            async for batch in super().follow(shard, start):
                if batch.offset == 0:
                    raise LogEnded("the epoch has ended", end=0)
                yield batch

    log = await SqliteLog.open(tmp_path / "log.db", 2)
    await log.append(0, (message().line(),))
    await log.append(1, (message().line(),))
    await log.close()

    with pytest.raises(LogEnded, match="MADANG_LOG_EPOCH=1"):
        async with running(tmp_path, log_class=Ending):
            raise AssertionError("it started")


async def test_a_lost_log_is_said_once_and_asked_slowly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_CHECK_SECONDS", 0.5)
    monkeypatch.setattr(log_consumer, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(log_consumer, "_LOST_SECONDS", 0.01)
    async with running(tmp_path, log_class=Losable, lag_poll_seconds=0.01) as harness:
        assert isinstance(harness.log, Losable)
        async with harness.connected("mina") as mina, harness.connected("jun") as jun:
            await jun.subscribe(YARD)
            sent = await mina.send("before")
            with capture_logs() as entries:
                harness.log.lose()
                await until(lambda: log_metric(harness, "lost") == 1)
                harness.log.asked = 0
                refused = [await harness.post("mina", text="no") for _ in range(5)]
                status, states = await ready(harness)
                assert harness.log.asked <= 3

                assert [answer.status_code for answer in refused] == [503] * 5
                assert all(answer.json()["type"] == refused[0].json()["type"] for answer in refused)
                assert refused[0].json()["type"].endswith("unavailable")
                assert int(refused[0].headers["retry-after"]) >= 1
                # It goes on with connections, reading and resumes.
                assert (status, states["log"], states["follower"]) == (200, "LogLost", "ok")
                resumed = await mina.subscribe(YARD, "again", since=sent)
                assert resumed["resumed"] == "true"

                harness.log.lost = False
                await until(lambda: log_metric(harness, "lost") == 0)
            assert (await ready(harness))[1]["log"] == "ok"
            await mina.send("after")
            assert [m.text for m in await jun.messages(2)] == ["before", "after"]

    said = [entry for entry in entries if entry["log_level"] == "error"]
    assert [(entry["event"], entry["runbook"]) for entry in said] == [
        ("log_lost", BROKER_DATA_LOST)
    ]
    warned = [entry["event"] for entry in entries if entry["log_level"] == "warning"]
    assert warned.count("log_follow_failed") <= 2
    assert warned.count("log_found") == 1


async def test_nothing_is_sent_before_history_has_confirmed_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_FIRST_PAUSE_SECONDS", 0.01)
    async with running(tmp_path, epoch=1, verify_log=True) as harness:
        refused = await harness.post("mina", text="no")
        assert refused.status_code == 503
        status, states = await ready(harness)
        assert (status, states["log"]) == (200, "LogUnverified")
        assert log_metric(harness, "verified") == 0

        harness.history.stored_log = (1, 2)
        await until(lambda: log_metric(harness, "verified") == 1)

        assert (await harness.post("mina", text="yes")).status_code == 201
        assert (await ready(harness))[1]["log"] == "ok"


@pytest.mark.parametrize(("stored", "told"), [((1, 3), "MADANG_LOG_EPOCH=1"), ((0, 3), "SHARDS=3")])
async def test_a_gateway_does_not_start_on_another_log_than_history(
    tmp_path: Path, stored: tuple[int, int], told: str
) -> None:
    (other_folder := tmp_path / "b").mkdir()
    async with running(tmp_path) as other:
        other.history.stored_log = stored

        with pytest.raises(CannotStart, match=told):
            async with running(other_folder, verify_log=True, history=other.history):
                raise AssertionError("it started")


async def test_a_late_contradiction_ends_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_FIRST_PAUSE_SECONDS", 0.01)
    async with AsyncExitStack() as stack:
        harness = await stack.enter_async_context(running(tmp_path, verify_log=True))
        harness.history.stored_log = (1, 2)
        await until(lambda: any(task.done() for task in harness.app.state.tasks))
        assert (await harness.post("mina", text="no")).status_code == 503

        with pytest.raises(CannotStart, match="MADANG_LOG_EPOCH=1"):
            await stack.aclose()
