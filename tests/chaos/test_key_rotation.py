"""The signing key is rotated by changes of a mounted Secret, which the replicas see in turn."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import jwt
from typing_extensions import override

from madang_auth.signing.keys import new_pem
from stack.servers.deadline import wait_until
from stack.service import Service
from stack.stack import Stack
from tests.e2e.people import PASSWORD, Person, register, shared_room
from tests.e2e.stomp_socket import StompSocket
from tests.support.mounted_secret import MountedSecret, kid_of
from tests.support.trust import trusting

_TOKEN_SECONDS = 20
_REFETCH_SECONDS = 5
"""How long a verifier does not fetch keys again for an unknown `kid`."""
_MARGIN_SECONDS = 1
_PATIENCE_SECONDS = 60
_SETTINGS = {
    "MADANG_SIGNING_KEYS_POLL_SECONDS": "0.2",
    "MADANG_ACCESS_TOKEN_SECONDS": str(_TOKEN_SECONDS),
    "MADANG_SERVICE_TOKEN_SECONDS": str(_TOKEN_SECONDS),
    "MADANG_LOGIN_SUCCESSES_PER_USER": "100000",
    "MADANG_REFRESHES_PER_USER": "100000",
}


class Visitor(threading.Thread):
    """Logs in and refreshes at one replica of auth, and uses each token at every service."""

    def __init__(self, stack: Stack, auth: Service, person: Person, room: str) -> None:
        super().__init__(name=f"visitor-{auth.name}")
        self._stack = stack
        self._auth = auth
        self._account = {"username": person.username, "password": PASSWORD}
        self._room = room
        self._stopped = threading.Event()
        self.failures: list[str] = []
        self.kids: list[str] = []
        """The key of each token, in the order of issue."""
        self.rounds = 0

    @override
    def run(self) -> None:
        before: tuple[float, str] = (0.0, "")
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not self._stopped.is_set():
                try:
                    token = self._issue(client)
                    self._use(client, token)
                    issued_at, earlier = before
                    if time.monotonic() - issued_at < _TOKEN_SECONDS / 2:
                        self._use(client, earlier)
                    before = (time.monotonic(), token)
                except Exception as error:  # noqa: BLE001 - every failure counts
                    self.failures.append(repr(error))
                self.rounds += 1

    def await_rounds(self, more: int) -> None:
        """Return after `more` rounds from now."""
        goal = self.rounds + more
        until(lambda: self.rounds >= goal)

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def _issue(self, client: httpx.Client) -> str:
        tokens = self._call(client, "POST", f"{self._auth.url}/api/auth/v1/login", self._account)
        again = {"refresh_token": tokens["refresh_token"]}
        tokens = self._call(client, "POST", f"{self._auth.url}/api/auth/v1/refresh", again)
        token: str = tokens["access_token"]
        self.kids.append(jwt.get_unverified_header(token)["kid"])
        return token

    def _use(self, client: httpx.Client, token: str) -> None:
        stack = self._stack
        calls: list[tuple[list[Service], str, str, dict[str, str] | None]] = [
            (stack.auth, "GET", "/api/auth/v1/me", None),
            (stack.rooms, "GET", f"/api/rooms/v1/rooms/{self._room}", None),
            (stack.history, "GET", f"/api/history/v1/rooms/{self._room}/messages", None),
            (
                stack.gateways,
                "POST",
                f"/api/gateway/v1/rooms/{self._room}/messages",
                {"text": "안"},
            ),
        ]
        for replicas, method, path, body in calls:
            for replica in replicas:
                self._call(client, method, f"{replica.url}{path}", body, token)
        with StompSocket.open(stack.ws_url, token) as socket:
            assert socket.subscribe(self._room).command == "RECEIPT"
            socket.say(self._room, "녕")
            # Until both are there: the other visitor talks in the room too.
            acknowledged, received = "", set[str]()
            while acknowledged not in received:
                frame = socket.next()
                assert frame.command in {"RECEIPT", "MESSAGE"}, frame
                if frame.command == "RECEIPT":
                    acknowledged = frame.headers["message-id"]
                else:
                    received.add(frame.headers["message-id"])

    def _call(
        self,
        client: httpx.Client,
        method: str,
        url: str,
        body: dict[str, str] | None,
        token: str | None = None,
    ) -> dict[str, str]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = client.request(method, url, json=body, headers=headers)
        assert answer.is_success, (url, answer.status_code, answer.text)
        found: dict[str, str] = answer.json()
        return found


@contextmanager
def on_mounted_secrets(stack: Stack, secrets: list[MountedSecret]) -> Iterator[None]:
    """Run each replica of auth on a mount of its own, and leave them stopped."""

    def settings(secret: MountedSecret) -> Callable[[str], dict[str, str]]:
        mount = {"MADANG_SIGNING_KEYS_DIR": str(secret.folder)}
        return lambda kind: stack.settings_of(kind) | _SETTINGS | mount

    try:
        for auth, secret in zip(stack.auth, secrets, strict=True):
            auth.stop()
            auth.settings = settings(secret)
            auth.start()
        yield
    finally:
        for auth in stack.auth:
            auth.kill()


def kids(auth: Service) -> list[str]:
    keys = httpx.get(f"{auth.url}/.well-known/jwks.json", trust_env=False).json()["keys"]
    return [key["kid"] for key in keys]


def until_published(auth: Service, published: set[str]) -> None:
    until(lambda: set(kids(auth)) == published)


def until(fits: Callable[[], bool]) -> None:
    assert wait_until(fits, seconds=_PATIENCE_SECONDS)


def test_no_request_fails_while_the_key_is_rotated(mortal_stack: Stack, tmp_path: Path) -> None:
    stack = mortal_stack
    folder = Path(stack.settings_of("auth")["MADANG_SIGNING_KEYS_DIR"])
    old = max(folder.glob("*.pem")).read_bytes()
    new = new_pem()
    secrets = [MountedSecret(tmp_path / auth.name) for auth in stack.auth]

    def change(files: dict[str, bytes], published: set[str]) -> None:
        """Change the Secret; the second replica's kubelet is two rounds of requests later."""
        for secret, auth in zip(secrets, stack.auth, strict=True):
            secret.write(files)
            until_published(auth, published)
            for visitor in visitors:
                visitor.await_rounds(2)

    visitors: list[Visitor] = []
    for secret in secrets:
        secret.write({"current.pem": old})
    with ExitStack() as context:
        context.enter_context(trusting(stack.ca))
        context.enter_context(on_mounted_secrets(stack, secrets))
        client = context.enter_context(httpx.Client(base_url=stack.url, timeout=20))
        minji, junho = register(client, "minji"), register(client, "junho")
        room = shared_room(minji, junho)
        people = (minji, junho)
        for auth, person in zip(stack.auth, people, strict=True):
            visitors.append(Visitor(stack, auth, person, room))
            visitors[-1].start()
            context.callback(visitors[-1].stop)

        change({"current.pem": old, "next.pem": new}, {kid_of(old), kid_of(new)})
        # By then a verifier that fetched just before the change fetches again for an unknown key.
        time.sleep(_REFETCH_SECONDS + _MARGIN_SECONDS)
        change({"current.pem": new, "retired.pem": old}, {kid_of(old), kid_of(new)})
        until(lambda: all(visitor.kids[-1] == kid_of(new) for visitor in visitors))
        # Until the last token that the old key signed has expired.
        time.sleep(_TOKEN_SECONDS + _MARGIN_SECONDS)
        change({"current.pem": new}, {kid_of(new)})
        for visitor in visitors:
            visitor.stop()

        unusable = [auth.metric("madang_auth_signing_keys_unusable") for auth in stack.auth]

    assert [visitor.failures for visitor in visitors] == [[], []]
    assert unusable == [0, 0]
    for visitor in visitors:
        # Each replica signs with the old key, then only with the new one.
        assert sorted(set(visitor.kids), key=visitor.kids.index) == [kid_of(old), kid_of(new)]
        assert visitor.kids == sorted(visitor.kids, key=[kid_of(old), kid_of(new)].index)
