"""Rehearses docs/runbooks/broker-data-lost.md and change-shards.md on one process."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from madang_common.log.position import from_id, offset_of, position, shard_of, to_id
from stack.command import run_command
from stack.servers.deadline import wait_until
from tests.e2e.embedded import Embedded
from tests.e2e.people import Person, register, shared_room
from tests.e2e.stomp_socket import StompSocket

_RUNBOOK = "docs/runbooks/broker-data-lost.md"


@dataclass
class Talk:
    """A person in a room of one process, and the ids of what she said."""

    product: Embedded
    person: Person
    room: str
    said: list[str]

    @property
    def data(self) -> Path:
        return self.product.folder / "data"

    def say(self, count: int) -> None:
        """Send messages, and wait until they are stored."""
        path = f"/api/gateway/v1/rooms/{self.room}/messages"
        for _ in range(count):
            body = {"text": f"number {len(self.said)}", "key": f"key-{len(self.said)}"}
            self.said.append(self.person.call("POST", path, status=201, json=body)["id"])
        assert wait_until(lambda: self.stored() == self.said, seconds=20), self.stored()

    def stored(self) -> list[str]:
        path = f"/api/history/v1/rooms/{self.room}/messages?limit=100"
        return [item["id"] for item in self.person.call("GET", path, status=200)["items"]]

    def resumed(self, since: str) -> str:
        """Return what a client is told that resumes after `since`."""
        with StompSocket.open(self.product.ws_url, self.person.token) as socket:
            return socket.subscribe(self.room, since=since).headers["resumed"]

    def gaps(self) -> list[str]:
        settings = os.environ | {"MADANG_DATA_DIR": str(self.data)}
        return run_command("history", "gaps", settings=settings).splitlines()

    def remove_log(self) -> None:
        for file in self.data.glob("log.db*"):
            file.unlink()


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    product = Embedded.start(tmp_path)
    with httpx.Client(base_url=product.url, timeout=20) as client:
        person = register(client, "minji")
        yield Talk(product, person, shared_room(person), [])
    if product.process is not None:
        product.kill()


def test_after_the_log_was_lost_a_new_epoch_goes_on(talk: Talk) -> None:
    talk.say(4)
    talk.product.stop()
    talk.remove_log()
    with pytest.raises(AssertionError, match=_RUNBOOK):
        talk.product.launch()

    talk.product.launch(MADANG_LOG_EPOCH="1")

    assert talk.stored() == talk.said
    talk.say(3)
    assert talk.said == sorted(set(talk.said))
    beyond = to_id(position(offset_of(from_id(talk.said[3])) + 1, 0))
    assert [talk.resumed(since) for since in (talk.said[0], talk.said[3])] == ["true", "true"]
    assert [talk.resumed(since) for since in (beyond, talk.said[-1])] == ["false", "true"]
    shard = shard_of(f"rooms.{talk.room}", 2)
    (row,) = [line.split() for line in talk.gaps()[1:] if line.split()[1] == str(shard)]
    assert row[:3] == ["0", str(shard), beyond]
    _check_later_starts(talk)


def test_after_the_log_was_restored_from_an_older_copy_no_id_is_used_again(talk: Talk) -> None:
    talk.say(3)
    talk.product.stop()
    shutil.copy(talk.data / "log.db", talk.product.folder / "copy.db")
    talk.product.launch()
    talk.say(3)
    talk.product.stop()
    talk.remove_log()
    shutil.copy(talk.product.folder / "copy.db", talk.data / "log.db")
    with pytest.raises(AssertionError, match=_RUNBOOK):
        talk.product.launch()

    talk.product.launch(MADANG_LOG_EPOCH="1")

    assert talk.stored() == talk.said
    talk.say(3)
    assert talk.said == sorted(set(talk.said))
    assert talk.resumed(talk.said[1]) == "true"
    assert [line.split()[:2] for line in talk.gaps()[1:]] == [["0", "0"], ["0", "1"]]
    _check_later_starts(talk)


def test_the_number_of_shards_changes_and_nothing_is_lost(talk: Talk) -> None:
    talk.say(4)
    talk.product.stop()
    with pytest.raises(AssertionError, match=r"docs/runbooks/change-shards\.md|2 shards, not 6"):
        talk.product.launch(MADANG_LOG_SHARDS="6")

    talk.product.launch(MADANG_LOG_EPOCH="1", MADANG_LOG_SHARDS="6")

    talk.say(3)
    assert talk.said == sorted(set(talk.said))
    assert talk.resumed(talk.said[0]) == "true"
    assert talk.gaps() == []


def _check_later_starts(talk: Talk) -> None:
    """Check that the new epoch stays, and the old one is refused."""
    talk.product.stop()
    with pytest.raises(AssertionError, match="MADANG_LOG_EPOCH=1"):
        talk.product.launch()
    talk.product.launch(MADANG_LOG_EPOCH="1")
    assert talk.stored() == talk.said
