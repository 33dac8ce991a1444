"""`madang-auth keys secret` on a small API server over TLS."""

import json
import re
import ssl
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from madang_auth import __main__ as command
from madang_auth.signing import cluster_secret
from madang_auth.signing.cluster_secret import ClusterSecrets
from madang_auth.signing.keys import new_pem, parse_key
from madang_common.settings import CannotStart
from tests.support.proxy import make_certificate

NAMESPACE = "chat"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"


class Api(ThreadingHTTPServer):
    """Secrets of one namespace, created and read with a token, as the API server does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.secrets: dict[str, dict[str, Any]] = {}
        self.token = "first-token"
        self.refusals: list[int] = []
        """Statuses of the next answers."""
        self.requests: list[str] = []
        make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "localhost.pem", folder / "localhost.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        secret = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._refuses(SECRETS):
            name = secret["metadata"]["name"]
            if name in self.server.secrets:
                self._answer(409, {"reason": "AlreadyExists"})
            else:
                self.server.secrets[name] = secret
                self._answer(201, secret)

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if not self._refuses(f"{SECRETS}/{name}"):
            found = self.server.secrets.get(name)
            self._answer(200 if found else 404, found or {"message": "not found"})

    def _refuses(self, path: str) -> bool:
        self.server.requests.append(self.command)
        if self.path != path:
            self._answer(404, {"message": "no such path"})
        elif self.server.refusals:
            self._answer(self.server.refusals.pop(0), {"message": "secrets is forbidden"})
        elif self.headers["Authorization"] != f"Bearer {self.server.token}":
            self._answer(401, {"message": "Unauthorized"})
        else:
            return False
        return True

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server
        server.shutdown()


@pytest.fixture
def account(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the mounted service account of a pod."""
    account = tmp_path / "account"
    account.mkdir()
    (account / "namespace").write_text(NAMESPACE)
    (account / "token").write_text(api.token)
    (account / "ca.crt").write_bytes((tmp_path / "ca.pem").read_bytes())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.server_port))
    return account


def create(account: Path, seconds: float = 20) -> bool:
    return ClusterSecrets(account).create_keys("keys", {"app": "madang"}, seconds=seconds)


def test_it_creates_the_secret_once(api: Api, account: Path) -> None:
    first = create(account)
    made = dict(api.secrets)
    second = create(account)

    assert (first, second) == (True, False)
    assert api.secrets == made
    secret = made["keys"]
    assert (secret["type"], secret["metadata"]["labels"]) == ("Opaque", {"app": "madang"})
    parse_key(Path("current.pem"), b64decode(secret["data"].pop("current.pem")))
    assert secret["data"] == {}
    assert api.requests == ["POST", "POST", "GET"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "has no current.pem"),
        ({"next.pem": b64encode(new_pem()).decode()}, "has no current.pem"),
        ({"current.pem": b64encode(b"nonsense").decode()}, "its current.pem is not an Ed25519"),
        ({"current.pem": "%"}, "its current.pem is not an Ed25519"),
    ],
)
def test_an_existing_secret_without_a_usable_key_is_refused(
    api: Api, account: Path, data: dict[str, str], reason: str
) -> None:
    api.secrets["keys"] = {"data": data}

    with pytest.raises(CannotStart, match=f"secret keys exists, but {re.escape(reason)}"):
        create(account)


def test_an_existing_secret_without_data_is_refused(api: Api, account: Path) -> None:
    api.secrets["keys"] = {"kind": "Secret"}

    with pytest.raises(CannotStart, match=r"has no current\.pem"):
        create(account)


def test_it_retries_until_the_api_answers(api: Api, account: Path) -> None:
    api.refusals = [500, 429, 403]

    assert create(account)
    assert api.requests == ["POST"] * 4


def test_it_reads_a_renewed_token(api: Api, account: Path) -> None:
    api.token = "second-token"
    timer = threading.Timer(0.3, (account / "token").write_text, [api.token])
    timer.start()

    assert create(account)
    timer.join()


def test_it_ends_at_its_deadline_with_the_missing_right(api: Api, account: Path) -> None:
    api.refusals = [403] * 1000

    with pytest.raises(CannotStart) as refused:
        create(account, seconds=0.5)

    assert str(refused.value) == (
        "secret keys: the API refused POST with 403: secrets is forbidden; tried for 0.5 s"
    )


def test_an_invalid_request_is_not_repeated(api: Api, account: Path) -> None:
    api.refusals = [422]

    with pytest.raises(CannotStart, match="refused POST with 422"):
        create(account)
    assert len(api.requests) == 1


def test_it_sends_no_token_to_a_server_of_another_ca(
    api: Api, account: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    make_certificate(tmp_path / "other")
    (account / "ca.crt").write_bytes((tmp_path / "other" / "ca.pem").read_bytes())

    with pytest.raises(CannotStart, match="certificate verify failed"):
        create(account, seconds=0.5)
    assert api.requests == []


def test_the_command_creates_the_secret_with_labels(
    api: Api, account: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ["--label", "app.kubernetes.io/name=madang", "--label", "made-by=job"]
    monkeypatch.setattr(cluster_secret, "ACCOUNT", account)
    monkeypatch.setattr(sys, "argv", ["madang-auth", "keys", "secret", "my-keys", *labels])

    command.main()
    command.main()

    (secret,) = api.secrets.values()
    assert secret["metadata"] == {
        "name": "my-keys",
        "labels": {"app.kubernetes.io/name": "madang", "made-by": "job"},
    }
    output = "".join(capsys.readouterr())
    assert output.index("secret_created") < output.index("secret_exists")
    assert secret["data"]["current.pem"] not in output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["Keys"], "Keys: give a name of lower-case letters"),
        (["../keys"], "give a name of lower-case letters"),
        (["keys", "--label", "app"], "app: give a label as name=value"),
        (["keys", "--seconds", "0"], "0: give a number of seconds above 0"),
        (["keys", "--seconds", "soon"], "soon: give a number of seconds above 0"),
    ],
)
def test_the_command_refuses_invalid_arguments(
    arguments: list[str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["madang-auth", "keys", "secret", *arguments])

    with pytest.raises(SystemExit) as ended:
        command.main()

    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_outside_a_pod_it_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: Path
) -> None:
    with pytest.raises(CannotStart, match="automountServiceAccountToken"):
        ClusterSecrets(tmp_path / "none")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(CannotStart, match="KUBERNETES_SERVICE_HOST is not set"):
        ClusterSecrets(account)
