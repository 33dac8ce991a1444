"""A client of container registries: the digest of a tag, by the OCI distribution API."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from contracts.images.reference import DIGEST, Image

_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ACCEPTED = ", ".join(
    (
        *_INDEX_TYPES,
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
"""An image for one platform is accepted too, so that the error can name it."""
_PLATFORMS = {("linux", "amd64"), ("linux", "arm64")}
_LARGEST_BYTES = 1_000_000
_ANSWER_SECONDS = 20
_LONGEST_WAIT_SECONDS = 60
_TRIES = 3
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class RegistryError(Exception):
    """A registry did not give a digest; the message names the image and says why."""


@dataclass(frozen=True)
class _Answer:
    host: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class Registry:
    """Reads the multi-platform indexes of public images."""

    def __init__(self, default: str, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._default = default
        """Host of the default registry, for images whose name has no host."""
        self._sleep = sleep
        self._client = httpx.Client(timeout=_ANSWER_SECONDS, follow_redirects=True)
        self._tokens: dict[str, str] = {}
        """Tokens by the URL that issued them; a URL contains the repository."""

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def digest(self, image: Image) -> str:
        """Return the digest of the index that the tag of `image` names now."""
        named = self._ask(image, "HEAD", image.tag)
        digest = named.headers.get("docker-content-digest", "")
        if not DIGEST.fullmatch(digest):
            raise _error(image, f"{named.host} names no SHA-256 digest")
        body = self._ask(image, "GET", digest).body
        if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
            raise _error(image, f"{named.host} serves other content than {digest}")
        _check_platforms(image, body)
        return digest

    def _ask(self, image: Image, method: str, reference: str) -> _Answer:
        """Return the index that `reference`, a tag or a digest, names."""
        url = f"{self._base(image)}/v2/{image.path}/manifests/{reference}"
        headers = {"Accept": _ACCEPTED}
        answer = self._send(image, method, url, headers)
        if answer.status == httpx.codes.UNAUTHORIZED:
            token = self._token(image, answer.headers.get("www-authenticate", ""))
            headers["Authorization"] = f"Bearer {token}"
            answer = self._send(image, method, url, headers)
        if answer.status == httpx.codes.NOT_FOUND:
            raise _error(image, f"{answer.host} has no such tag or name")
        if answer.status != httpx.codes.OK:
            raise _error(image, f"{answer.host} answered {answer.status}")
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if kind not in _INDEX_TYPES:
            raise _error(image, f"the tag names {kind or 'unknown content'}, not an index")
        return answer

    def _send(self, image: Image, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
        """Send a request; wait and repeat it when the registry limits the rate."""
        wait = 0
        for _ in range(_TRIES):
            self._sleep(wait)
            answer = self._read(image, method, url, headers)
            if answer.status != httpx.codes.TOO_MANY_REQUESTS:
                return answer
            asked = answer.headers.get("retry-after", "")
            wait = int(asked) if asked.isdecimal() else _LONGEST_WAIT_SECONDS
            if wait > _LONGEST_WAIT_SECONDS:
                break
        raise _error(image, f"{urlsplit(url).netloc} limits the rate; try again after {wait} s")

    def _read(self, image: Image, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
        """Return an answer with its whole body, which is bounded."""
        body = b""
        try:
            with self._client.stream(method, url, headers=headers) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > _LARGEST_BYTES:
                        raise _error(image, f"{answer.url.host} sent over {_LARGEST_BYTES} bytes")
        except httpx.HTTPError as error:
            raise _error(image, f"{urlsplit(url).netloc} cannot be asked: {error}") from error
        return _Answer(answer.url.netloc.decode(), answer.status_code, answer.headers, body)

    def _token(self, image: Image, challenge: str) -> str:
        """Return an anonymous token for reading `image` from the issuer in `challenge`."""
        scheme, _, rest = challenge.partition(" ")
        told = dict(_PARAMETER.findall(rest))
        realm = urlsplit(told.get("realm", ""))
        if scheme.lower() != "bearer" or not realm.hostname:
            raise _error(image, "the registry requires a login; only public images can be pinned")
        if realm.scheme != "https" and realm.hostname not in _LOOPBACK:
            raise _error(image, f"the issuer of tokens {realm.netloc} does not use https")
        wanted = {"service": told.get("service", ""), "scope": f"repository:{image.path}:pull"}
        url = str(httpx.URL(told["realm"]).copy_merge_params(wanted))
        if url not in self._tokens:
            answer = self._send(image, "GET", url, {})
            try:
                given = json.loads(answer.body) if answer.status == httpx.codes.OK else {}
                self._tokens[url] = str(given.get("token") or given["access_token"])
            except (ValueError, KeyError, AttributeError):
                raise _error(image, f"{realm.netloc} gave no token") from None
        return self._tokens[url]

    def _base(self, image: Image) -> str:
        """Return the URL of the registry; as for Docker, only loopback is without TLS."""
        host = image.host or self._default
        plain = urlsplit(f"//{host}").hostname in _LOOPBACK
        return f"{'http' if plain else 'https'}://{host}"


def _check_platforms(image: Image, index: bytes) -> None:
    """Raise RegistryError if the index lacks a platform that the product is built for."""
    found = {
        (platform.get("os"), platform.get("architecture"))
        for manifest in json.loads(index).get("manifests", [])
        if isinstance(platform := manifest.get("platform"), dict)
    }
    missing = sorted("/".join(platform) for platform in _PLATFORMS - found)
    if missing:
        raise _error(image, f"the index has no image for {', '.join(missing)}")


def _error(image: Image, reason: str) -> RegistryError:
    return RegistryError(f"{image.name}:{image.tag}: {reason}")
