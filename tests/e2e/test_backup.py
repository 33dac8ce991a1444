"""The runbook of backup and restore in the one-process form: copied while people talk."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from stack.command import CommandError
from stack.servers.deadline import wait_until
from tests.e2e.embedded import Embedded
from tests.e2e.people import PASSWORD, Person, register, shared_room
from tests.e2e.stomp_socket import StompSocket

_LEAST = 20
"""Messages before the copy, at least."""
_PACE_SECONDS = 0.02
"""Pause between two messages: the copy needs a part of the processor too."""


@dataclass
class Talk:
    """What one person keeps saying, and the ids of what was acknowledged."""

    person: Person
    room: str
    said: dict[str, str] = field(default_factory=dict)
    """By id."""
    stopping: threading.Event = field(default_factory=threading.Event)
    enough: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopping.wait(_PACE_SECONDS):
            self.said[say(self.person, self.room, f"message {len(self.said)}")] = ""
            if len(self.said) >= _LEAST:
                self.enough.set()


@contextmanager
def talking(person: Person, room: str) -> Iterator[Talk]:
    talk = Talk(person, room)
    thread = threading.Thread(target=talk.run)
    thread.start()
    try:
        yield talk
    finally:
        talk.stopping.set()
        thread.join()


def say(person: Person, room: str, text: str) -> str:
    """Send `text` over REST; return the id of the message."""
    path = f"/api/gateway/v1/rooms/{room}/messages"
    return str(person.call("POST", path, status=201, json={"text": text})["id"])


def history_of(person: Person, room: str) -> set[str]:
    """Return the ids of all messages of the room."""
    found: set[str] = set()
    before: str | None = None
    while True:
        query = "?limit=100" + (f"&before={before}" if before else "")
        path = f"/api/history/v1/rooms/{room}/messages{query}"
        page = person.call("GET", path, status=200)
        found |= {item["id"] for item in page["items"]}
        before = page["before"]
        if before is None:
            return found


def test_a_copy_that_was_made_while_people_talked_is_restored(
    embedded: Embedded, tmp_path: Path
) -> None:
    backup, data = tmp_path / "backup", embedded.folder / "data"
    with httpx.Client(base_url=embedded.url, timeout=20) as client:
        minji, junho = register(client, "minji"), register(client, "junho")
        room = shared_room(minji, junho)
        with talking(minji, room) as talk:
            assert talk.enough.wait(60)
            before = list(talk.said)
            copied = embedded.operate("backup", str(backup)).splitlines()
            later = register(client, "later")
            again = shared_room(minji, later, name="after the copy")

        embedded.kill()
        shutil.rmtree(data)
        shutil.copytree(backup, data)
        embedded.operate("compare", "--repair")
        assert json.loads(embedded.operate("compare", "--json"))["differences"] == []
        embedded.launch(MADANG_LOG_EPOCH="1")

        assert {Path(path).name for path in copied} >= {"log.db", "rooms.db", "messages.db"}
        assert data.stat().st_mode & 0o077 == 0
        kept = history_of(junho, room)  # with the token of before
        assert set(before) <= kept
        minji.call("GET", f"/api/rooms/v1/rooms/{again}", status=404)
        account = {"username": junho.username, "password": PASSWORD}
        assert client.post("/api/auth/v1/login", json=account).is_success
        refreshed = client.post("/api/auth/v1/refresh", json={"refresh_token": minji.refresh_token})
        assert refreshed.is_success, refreshed.text
        with StompSocket.open(embedded.ws_url, junho.token) as socket:
            newest = max(before)
            assert socket.subscribe(room, since=newest).headers["resumed"] == "true"
            new = say(minji, room, "we go on")
            while (received := socket.next().headers["message-id"]) != new:
                assert received in kept
        assert new > max(kept | set(talk.said)), "an id may be given twice"


def test_a_process_is_restored_again_with_other_shards(
    embedded: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = embedded.folder / "data"
    embedded.stop()
    shutil.rmtree(data)
    monkeypatch.setenv("MADANG_LOG_SHARDS", "3")
    embedded.launch()
    with httpx.Client(base_url=embedded.url, timeout=20) as client:
        minji = register(client, "minji")
        room = shared_room(minji)
        said = []
        for epoch in range(2):
            said.append(say(minji, room, f"in epoch {epoch}"))
            backup = tmp_path / f"backup-{epoch}"
            embedded.operate("backup", str(backup))
            lost = say(minji, room, "after the copy")
            embedded.stop()
            shutil.rmtree(data)
            shutil.copytree(backup, data)

            monkeypatch.setenv("MADANG_LOG_EPOCH", str(epoch))
            embedded.operate("compare", "--repair")
            monkeypatch.setenv("MADANG_LOG_EPOCH", str(epoch + 1))
            embedded.launch()

            assert wait_until(lambda: set(said) <= history_of(minji, room), seconds=20)
            assert lost not in history_of(minji, room)
        said.append(say(minji, room, "after both"))
        assert said[-1] > lost
        assert wait_until(lambda: said[-1] in history_of(minji, room), seconds=20)
        embedded.stop()
        assert embedded.operate("compare").startswith("0 events of rooms in the log\n")
        assert embedded.operate("verify").endswith("faults: 0\n")


def test_a_backup_needs_data_and_a_new_folder(embedded: Embedded, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    with pytest.raises(CommandError, match="there exists; give the name of a new folder"):
        embedded.operate("backup", str(tmp_path / "there"))
    embedded.stop()
    shutil.rmtree(embedded.folder / "data" / "rooms")
    with pytest.raises(CommandError, match=r"there is no rooms/rooms\.db"):
        embedded.operate("backup", str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
