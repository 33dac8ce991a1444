"""Digests of images, read from registries on loopback."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from contracts.images.reference import Image
from contracts.images.registry import Registry, RegistryError
from stack.run import ServerRun
from stack.servers.image_registry import ImageRegistry, TokenAuth
from tests.support.http_server import Answer, Request, http_server
from tests.support.image_issuer import Issuer
from tests.support.images import digest_of, index, push_index, push_manifest

_A = f"sha256:{'a' * 64}"
_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class Answers:
    """A server with given answers, the last one repeated."""

    given: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request."""
    issue: Callable[[str], bytes] | None = None
    """Makes the body from the path instead."""
    host: str = ""

    def answer(self, request: Request) -> Answer:
        self.asked.append((request.method, request.path))
        if self.issue is not None:
            return Answer(self.issue(request.path))
        return self.given.pop(0) if len(self.given) > 1 else self.given[0]


@pytest.fixture
def answers() -> Iterator[Answers]:
    answers = Answers()
    with http_server(answers.answer) as answers.host:
        yield answers


@pytest.fixture
def client(image_registry: ImageRegistry) -> Iterator[Registry]:
    client = Registry(image_registry.host)
    yield client
    client.close()


def test_the_digest_is_the_one_of_the_multi_platform_index(
    client: Registry, pushing: httpx.Client
) -> None:
    digest = push_index(pushing, "library/redis", "8.4.0")

    assert client.digest(Image("redis", "8.4.0", _A)) == digest


def test_an_image_is_asked_of_the_registry_in_its_name(
    image_registry: ImageRegistry, pushing: httpx.Client
) -> None:
    digest = push_index(pushing, "team/app", "1.2")
    client = Registry("nowhere.invalid")

    assert client.digest(Image(f"{image_registry.host}/team/app", "1.2")) == digest
    client.close()


def test_a_missing_tag_is_reported(client: Registry, pushing: httpx.Client) -> None:
    push_index(pushing, "library/mongo", "8.0.20")

    with pytest.raises(RegistryError, match=r"^mongo:9\.9\.9: 127\.0\.0\.1:\d+ has no such tag"):
        client.digest(Image("mongo", "9.9.9"))


def test_an_image_of_one_platform_is_refused(client: Registry, pushing: httpx.Client) -> None:
    push_manifest(pushing, "library/mysql", "8.4.7")
    push_index(pushing, "library/mysql", "8.4.8", ["amd64"])

    with pytest.raises(RegistryError, match="not an index"):
        client.digest(Image("mysql", "8.4.7"))
    with pytest.raises(RegistryError, match="the index has no image for linux/arm64"):
        client.digest(Image("mysql", "8.4.8"))


def test_content_with_another_digest_is_refused(answers: Answers) -> None:
    headers = {"Content-Type": _INDEX, "Docker-Content-Digest": _A}
    answers.given = [Answer(index("library/redis"), headers=headers)]
    client = Registry(answers.host)

    with pytest.raises(RegistryError, match=f"serves other content than {_A}"):
        client.digest(Image("redis", "8.4.0"))
    client.close()
    assert answers.asked == [
        ("HEAD", "/v2/library/redis/manifests/8.4.0"),
        ("GET", f"/v2/library/redis/manifests/{_A}"),
    ]


@pytest.mark.parametrize("told", ["", "sha256:beef", "md5:d41d8cd98f00b204e9800998ecf8427e"])
def test_a_missing_or_broken_digest_is_refused(answers: Answers, told: str) -> None:
    headers = {"Content-Type": _INDEX, "Docker-Content-Digest": told}
    answers.given = [Answer(headers=headers)]
    client = Registry(answers.host)

    with pytest.raises(RegistryError, match="names no SHA-256 digest"):
        client.digest(Image("redis", "8.4.0"))
    client.close()


def test_a_limited_rate_is_waited_for(answers: Answers) -> None:
    content = index("library/redis")
    headers = {"Content-Type": _INDEX, "Docker-Content-Digest": digest_of(content)}
    soon = Answer(status=429, headers={"Retry-After": "7"})
    answers.given = [soon, Answer(status=429), Answer(content, headers=headers)]
    waited: list[float] = []
    client = Registry(answers.host, sleep=waited.append)

    assert client.digest(Image("redis", "8.4.0")) == digest_of(content)
    assert [seconds for seconds in waited if seconds] == [7, 60]
    client.close()


@pytest.mark.parametrize(("after", "asked"), [("3600", 1), ("5", 3)])
def test_a_long_limit_is_reported_instead(answers: Answers, after: str, asked: int) -> None:
    answers.given = [Answer(status=429, headers={"Retry-After": after})]
    client = Registry(answers.host, sleep=lambda _: None)

    with pytest.raises(RegistryError, match=rf"limits the rate; try again after {after} s"):
        client.digest(Image("redis", "8.4.0"))
    assert len(answers.asked) == asked
    client.close()


def test_an_answer_without_end_is_cut(answers: Answers) -> None:
    headers = {"Content-Type": _INDEX, "Docker-Content-Digest": _A}
    answers.given = [Answer(b" " * 1_000_001, headers=headers)]
    client = Registry(answers.host)

    with pytest.raises(RegistryError, match="sent over 1000000 bytes"):
        client.digest(Image("redis", "8.4.0"))
    client.close()


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        ('Basic realm="x"', "requires a login"),
        ("", "requires a login"),
        ('Bearer realm="http://issuer.example/token"', "issuer.example does not use https"),
    ],
)
def test_a_login_or_an_issuer_without_tls_is_refused(
    answers: Answers, challenge: str, reason: str
) -> None:
    answers.given = [Answer(status=401, headers={"WWW-Authenticate": challenge})]
    client = Registry(answers.host)

    with pytest.raises(RegistryError, match=reason):
        client.digest(Image("redis", "8.4.0"))
    client.close()


def test_an_unreachable_registry_is_reported() -> None:
    client = Registry("127.0.0.1:1")

    with pytest.raises(RegistryError, match=r"^redis:8\.4\.0: 127\.0\.0\.1:1 cannot be asked"):
        client.digest(Image("redis", "8.4.0"))
    client.close()


def test_an_anonymous_token_is_fetched_from_the_issuer_in_the_challenge(
    image_registry: ImageRegistry,
    pushing: httpx.Client,
    answers: Answers,
    server_run: ServerRun,
    tmp_path: Path,
) -> None:
    digest = push_index(pushing, "prom/prometheus", "v3.5.0")
    issuer = Issuer.make()
    certificates = tmp_path / "issuer.pem"
    certificates.write_bytes(issuer.certificate.public_bytes(Encoding.PEM))
    answers.issue = issuer.token
    closed = ImageRegistry(
        server_run.folder / f"registry_{time.monotonic_ns()}",
        images=image_registry._images,
        auth=TokenAuth(f"http://{answers.host}/token", "images", "issuer", certificates),
    )
    closed.start()
    client = Registry(closed.host)
    try:
        assert client.digest(Image("prom/prometheus", "v3.5.0")) == digest
        with pytest.raises(RegistryError, match="has no such tag"):
            client.digest(Image("prom/prometheus", "v9.9.9"))
    finally:
        client.close()
        closed.kill()

    # One token for all requests about an image.
    ((method, path),) = answers.asked
    assert (method, path.partition("?")[0]) == ("GET", "/token")
    assert parse_qs(urlsplit(path).query) == {
        "service": ["images"],
        "scope": ["repository:prom/prometheus:pull"],
    }
