"""Accounts that are logged in without a password: the bench has the keys that auth signs with."""

import time
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from madang_auth.metrics import AuthMetrics
from madang_auth.sessions.issuer import TokenIssuer
from madang_auth.sessions.port import Session
from madang_auth.sessions.refresh_tokens import RefreshToken
from madang_auth.signing.keyring import Keyring
from madang_common.ids import new_id

_TOKEN_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Account:
    """A logged-in user."""

    id: str
    username: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """Headers that authenticate a REST request as this user."""
        return {"Authorization": f"Bearer {self.token}"}


def make_accounts(count: int, signing_keys: Path) -> list[Account]:
    """Return new users with tokens as auth gives them for a password, which would cost a hash."""
    issuer = TokenIssuer(
        Keyring(signing_keys),
        issuer="madang",
        access_seconds=_TOKEN_SECONDS,
        service_seconds=_TOKEN_SECONDS,
        metrics=AuthMetrics(CollectorRegistry()),
        clock=time.time,
    )
    return [_account(issuer, f"bench-{new_id()}") for _ in range(count)]


def _account(issuer: TokenIssuer, username: str) -> Account:
    now = time.time()
    user = new_id()
    session = Session(
        id=new_id(),
        user=user,
        username=username,
        name=username,
        device=None,
        created_at=now,
        last_used_at=now,
    )
    return Account(
        user, username, issuer.token_pair(session, RefreshToken.first(session.id)).access_token
    )
