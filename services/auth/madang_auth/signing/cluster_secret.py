"""Creates the Secret of the signing keys through the API of the Kubernetes cluster.

A Job runs it. Its service account needs two rights in its own namespace: `create` on secrets, and
`get` on the one Secret (by `resourceNames`), to check one that exists already.
"""

import base64
import binascii
import os
import re
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_before_delay,
    wait_random_exponential,
)

from madang_auth.signing.key_files import UnusableKeys
from madang_auth.signing.keys import CURRENT, new_pem, parse_key
from madang_common.settings import CannotStart

log = structlog.get_logger()

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds the token of its service account, the CA of the API and its namespace."""
_REQUEST_SECONDS = 10.0
_MAX_PAUSE_SECONDS = 5.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL = re.compile(
    r"[A-Za-z0-9][-A-Za-z0-9_./]{0,316}=([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
)
_FINAL = frozenset({400, 404, 405, 413, 415, 422})
"""Statuses that are not retried. 401 and 403 are: the right may be granted meanwhile."""


class _RetryableError(Exception):
    """The API did not answer, or refused for a reason that may pass."""


class ClusterSecrets:
    """The Secrets of this pod's namespace."""

    def __init__(self, account: Path | None = None) -> None:
        """Use the service account mounted at `account`; raise CannotStart outside a pod."""
        self._account = account = account or ACCOUNT
        try:
            host = os.environ["KUBERNETES_SERVICE_HOST"]
            port = os.environ["KUBERNETES_SERVICE_PORT"]
            namespace = (account / "namespace").read_text(encoding="utf-8").strip()
        except KeyError as error:
            raise CannotStart(f"{error.args[0]} is not set: this is not a pod") from None
        except OSError as error:
            raise CannotStart(
                f"{error.filename}: {error.strerror}; the pod needs automountServiceAccountToken"
            ) from None
        host = f"[{host}]" if ":" in host else host
        self._url = f"https://{host}:{port}/api/v1/namespaces/{namespace}/secrets"

    def create_keys(self, name: str, labels: Mapping[str, str], *, seconds: float) -> bool:
        """Create the Secret `name` with a new `current.pem`; return False if it exists.

        Retry for `seconds`; then, or if the existing Secret has no usable key, raise CannotStart.
        """
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {"name": name, "labels": dict(labels)},
            "data": {CURRENT: base64.b64encode(new_pem()).decode()},
        }
        retrying = Retrying(
            retry=retry_if_exception_type(_RetryableError),
            wait=wait_random_exponential(multiplier=0.2, max=_MAX_PAUSE_SECONDS),
            stop=stop_before_delay(seconds),
            before_sleep=_log_retry,
            reraise=True,
        )
        try:
            return retrying(self._create_or_check, name, secret)
        except _RetryableError as error:
            raise CannotStart(f"secret {name}: {error}; tried for {seconds:g} s") from error

    def _create_or_check(self, name: str, secret: Mapping[str, Any]) -> bool:
        with self._client() as client:
            created = _request(client, "POST", self._url, json=secret)
            if created.status_code != HTTPStatus.CONFLICT:
                return True
            found = _request(client, "GET", f"{self._url}/{name}", may_be_missing=True)
        if found.status_code == HTTPStatus.NOT_FOUND:
            raise _RetryableError("it was deleted meanwhile")
        _check(name, found.json())
        return False

    def _client(self) -> httpx.Client:
        # Read again at each attempt: the kubelet renews the token.
        try:
            token = (self._account / "token").read_text(encoding="utf-8").strip()
            context = ssl.create_default_context(cafile=self._account / "ca.crt")
        except OSError as error:
            raise CannotStart(f"{self._account}: {error.strerror or error}") from error
        # Python 3.13 refuses CAs without a key identifier, which some clusters have.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return httpx.Client(
            headers={"Authorization": f"Bearer {token}"},
            verify=context,
            timeout=_REQUEST_SECONDS,
            trust_env=False,
        )


def _request(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    json: Mapping[str, Any] | None = None,
    may_be_missing: bool = False,
) -> httpx.Response:
    """Return a success or a conflict.

    Raise CannotStart for a final refusal, _RetryableError for others.
    """
    try:
        answer = client.request(method, url, json=json)
    except httpx.TransportError as error:
        raise _RetryableError(
            f"the API does not answer: {str(error) or type(error).__name__}"
        ) from error
    status = answer.status_code
    missing = may_be_missing and status == HTTPStatus.NOT_FOUND
    if answer.is_success or status == HTTPStatus.CONFLICT or missing:
        return answer
    reason = f"the API refused {method} with {status}: {_message(answer)}"
    raise CannotStart(reason) if status in _FINAL else _RetryableError(reason)


def _message(answer: httpx.Response) -> str:
    """Return the message of a Status object, which names the missing right."""
    try:
        return str(answer.json()["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase


def _check(name: str, secret: Mapping[str, Any]) -> None:
    """Raise CannotStart unless `secret` has a usable key that signs."""
    data = secret.get("data") or {}
    if CURRENT not in data:
        raise CannotStart(f"secret {name} exists, but has no {CURRENT}; add one or delete it")
    try:
        parse_key(Path(CURRENT), base64.b64decode(data[CURRENT], validate=True))
    except (binascii.Error, UnusableKeys):
        raise CannotStart(
            f"secret {name} exists, but its {CURRENT} is not an Ed25519 private key in PEM"
        ) from None


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("secret_not_created", error=str(error), attempt=state.attempt_number)


def label(text: str) -> tuple[str, str]:
    """Return name and value of `text`, `name=value`; raise ValueError if it can be no label."""
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text}: give a label as name=value")
    name, _, value = text.partition("=")
    return name, value


def secret_name(text: str) -> str:
    """Return `text`; raise ValueError if it can be no name of a Secret."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text}: give a name of lower-case letters, digits, - and .")
    return text
