"""A visitor of the page, who finds controls by their accessible names."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Locator, Page, expect

PASSWORD = "correct horse battery"
BACK_MILLISECONDS = 30_000
"""Longest time in which a page reconnects by itself."""

_NO_SERVER = re.compile(
    r"net::ERR_(CONNECTION_\w+|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED|INCOMPLETE_CHUNKED_ENCODING"
    r"|HTTP2_PROTOCOL_ERROR"
    r"|CONTENT_LENGTH_MISMATCH)"
    r"|WebSocket connection to \S+ failed"
    r"|server responded with a status of 50[234] "
)


@dataclass
class Visitor:
    """One page, and everything in it that went wrong."""

    page: Page
    url: str
    troubles: list[str] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    """Statuses that the visitor provoked; the browser reports them on its console too."""
    sockets: int = 0
    _server_down: bool = False

    @classmethod
    def enter(cls, context: BrowserContext, url: str, path: str = "/") -> Self:
        """Open the page at `url`."""
        visitor = cls(context.new_page(), url)
        visitor.page.on("console", visitor._note)
        visitor.page.on("pageerror", visitor._note_error)
        visitor.page.on("websocket", visitor._count)
        visitor.page.goto(url + path)
        return visitor

    def _note(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        text = message.text
        if self._server_down and _NO_SERVER.search(text):
            return
        if any(f"status of {status} " in text for status in self.refusals):
            return
        self.troubles.append(text)

    def _note_error(self, error: Error) -> None:
        self.troubles.append(f"{error.name}: {error.message}")

    def _count(self, _: object) -> None:
        self.sockets += 1

    @contextmanager
    def server_down(self) -> Iterator[None]:
        """Expect network errors of the browser and the proxy inside this context."""
        self._server_down = True
        try:
            yield
            self.is_connected()
        finally:
            self._server_down = False

    def register(self, username: str, name: str) -> None:
        """Make an account, which logs in."""
        self.button("No account yet? Register").click()
        self.box("Username").fill(username)
        self.box("Display name").fill(name)
        self.box("Password").fill(PASSWORD)
        self.button("Register", exact=True).click()
        self.is_connected()

    def log_in(self, username: str) -> None:
        self.box("Username").fill(username)
        self.box("Password").fill(PASSWORD)
        self.button("Log in", exact=True).click()
        self.is_connected()

    def is_connected(self) -> None:
        expect(self.status).to_have_text("Connected", timeout=BACK_MILLISECONDS)

    def create_room(self, name: str) -> None:
        self.box("Create a room").fill(name)
        self.button("Create").click()
        self.is_in(name)

    def invite(self) -> str:
        """Return a link that lets others into the open room."""
        self.button("Invite").click()
        link = self.page.get_by_label("Anyone with this link can join")
        expect(link).to_have_value(re.compile("#join/."))
        value = link.input_value()
        self.button("Done").click()
        return value

    def join(self, link: str, name: str) -> None:
        self.box("Join with an invite").fill(link)
        self.button("Join").click()
        self.is_in(name)

    def is_in(self, room: str) -> None:
        expect(self.page.get_by_role("heading", name=room, exact=True)).to_be_visible()
        expect(self.log).to_have_attribute("aria-busy", "false")

    def write(self, text: str) -> None:
        """Send a message, line by line, with the keyboard alone."""
        first, *others = text.split("\n")
        self.box("Message").press_sequentially(first)
        for line in others:
            self.page.keyboard.press("Shift+Enter")
            self.page.keyboard.type(line)
        self.page.keyboard.press("Enter")

    def reads(self, text: str) -> None:
        """Wait until the message is shown once, without a pending or failed mark."""
        found = self.said.filter(has=self.page.get_by_text(text, exact=True))
        expect(found).to_have_count(1, timeout=BACK_MILLISECONDS)
        expect(found).not_to_have_attribute("data-state", re.compile("."))

    def texts(self) -> list[str]:
        """Return the messages on the page from the oldest to the newest."""
        return self.page.locator(".message[data-id] .text").all_inner_texts()

    def ids(self) -> list[str]:
        """Return the ids of all events on the page from the oldest to the newest."""
        lines = self.page.locator("#messages > li[data-id]")
        return [str(line) for line in lines.evaluate_all("all => all.map(li => li.dataset.id)")]

    def button(self, name: str, *, exact: bool = False) -> Locator:
        return self.page.get_by_role("button", name=name, exact=exact)

    def box(self, name: str) -> Locator:
        # A password is no textbox to assistive technology; its label is all there is.
        if name == "Password":
            return self.page.get_by_label(name)
        return self.page.get_by_role("textbox", name=name)

    @property
    def status(self) -> Locator:
        return self.page.locator("#status")

    @property
    def present(self) -> Locator:
        return self.page.locator("#present")

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log", name="Messages")

    @property
    def said(self) -> Locator:
        return self.page.locator(".message")
