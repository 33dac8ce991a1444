"""The `madang` command, through pipes, against a product that is killed meanwhile."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.people import PASSWORD
from tests.e2e.product import Product

_COMMAND = str(Path(sys.executable).with_name("madang"))
_SECONDS = 60


@dataclass
class Somebody:
    """Runs the command as one user, whose login lies in a folder of its own."""

    name: str
    product: Product
    folder: Path

    @property
    def _env(self) -> dict[str, str]:
        return os.environ | {
            "MADANG_SERVER": self.product.url,
            "MADANG_PASSWORD": PASSWORD,
            "MADANG_STATE_DIR": str(self.folder / self.name),
        }

    def run(self, *arguments: str) -> str:
        """Return the command's output."""
        done = subprocess.run(
            [_COMMAND, *arguments],
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def chatting(self, room: str) -> Iterator["Talk"]:
        """Give a running `madang chat`, which is left when the context ends."""
        with subprocess.Popen(
            [_COMMAND, "chat", room],
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            talk = Talk(process)
            try:
                yield talk
                talk.say("/quit")
                assert process.wait(_SECONDS) == 0
            finally:
                process.kill()


@dataclass
class Talk:
    """A running `madang chat`."""

    process: subprocess.Popen[str]

    def say(self, line: str) -> None:
        """Type a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def line_with(self, words: str) -> str:
        """Return the next line with `words` in it."""
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            if words in line:
                return line
            seen.append(line)
        raise AssertionError(f"no {words!r} in {seen}")


def two_people(product: Product, folder: Path) -> tuple[Somebody, Somebody]:
    """Return two users who are logged in."""
    minji, junho = (
        Somebody(f"{name}-{secrets.token_hex(4)}", product, folder) for name in ("minji", "junho")
    )
    for person in (minji, junho):
        person.run("register", person.name)
        person.run("login", person.name)
    return minji, junho


def test_two_people_change_and_answer_messages(product: Product, tmp_path: Path) -> None:
    minji, junho = two_people(product, tmp_path)
    room = minji.run("create", "yard")
    junho.run("join", minji.run("invite", room))

    with minji.chatting(room) as hers, junho.chatting(room) as his:
        hers.say("lunhc?")
        his.line_with("lunhc?")
        hers.say("/edit lunch?")
        his.line_with(f"* “{minji.name}” edited “lunhc?”: lunch?")
        his.say("/react 👍")
        hers.line_with(f"* “{junho.name}” reacted 👍 to “lunch?”")
        his.say("/reply 1 at noon")
        hers.line_with(f"{junho.name}, answering “lunch?”: at noon")
        hers.say("/delete")
        his.line_with(f"* “{minji.name}” deleted the message of “{minji.name}” at ")


def test_two_people_chat_through_a_crash(mortal: Product, tmp_path: Path) -> None:
    minji, junho = two_people(mortal, tmp_path)
    room = minji.run("create", "yard")
    junho.run("join", minji.run("invite", "yard"))
    assert "yard" in junho.run("rooms")
    minji.run("send", "yard", "before anyone listens")

    with minji.chatting(room) as hers, junho.chatting("yard") as his:
        his.line_with("before anyone listens")
        hers.line_with("before anyone listens")
        hers.say("안녕")
        assert f"{minji.name}: 안녕" in his.line_with("안녕")

        mortal.kill()
        hers.say("said while it was down")
        mortal.launch()

        assert f"{minji.name}: said while it was down" in his.line_with("while it was down")
        his.say("and I heard it")
        assert f"{junho.name}: and I heard it" in hers.line_with("and I heard it")

    # A killed history holds its shards until its leases end.
    told = minji.run("history", "yard")
    deadline = time.monotonic() + _SECONDS
    while "and I heard it" not in told and time.monotonic() < deadline:
        told = minji.run("history", "yard")
    assert told.count("said while it was down") == 1
