"""Settings of auth."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, model_validator

from madang_common.redis.settings import RedisSettings
from madang_common.setting_files import InvalidSetting, UnusableFile, read_value
from madang_common.settings import DEVELOPMENT_SECRET, Environment

_SERVICES = ("gateway", "rooms", "history")


def _development_secrets() -> dict[str, SecretStr]:
    return {name: SecretStr(DEVELOPMENT_SECRET) for name in _SERVICES}


def _read_secrets(folder: Path) -> Iterator[tuple[str, str]]:
    for name in _SERVICES:
        try:
            yield name, read_value(folder / name)
        except UnusableFile as error:
            raise ValueError(f"MADANG_SERVICE_SECRETS_DIR: {folder / name} {error}") from None


class AuthSettings(RedisSettings):
    """Settings of auth, in addition to the common ones."""

    data_dir: Path = Path("data")
    """Folder of the embedded form's files; auth's are in `auth/`."""
    signing_keys_dir: Path | None = None
    """Folder of the signing keys; by default `<data_dir>/auth/keys`, where a first key is made."""
    signing_keys_poll_seconds: Annotated[float, Field(gt=0)] = 10
    """Interval at which the folder of the signing keys is checked for changes."""
    service_secrets: dict[str, SecretStr] = _development_secrets()
    """Secret of each service that may request service tokens, by name."""
    service_secrets_dir: Path | None = None
    """Folder with the secrets of the services, instead of `MADANG_SERVICE_SECRETS`: the files
    `gateway`, `rooms` and `history`."""
    service_client_secret: SecretStr = SecretStr("")
    """Not used by auth, which issues its own service tokens."""

    redis_connections: Annotated[int, Field(ge=1)] = 20
    """Most connections to Redis; further requests wait for one."""
    redis_timeout_seconds: Annotated[float, Field(gt=0)] = 2
    """Longest wait for a connection to Redis, and for an answer."""

    directory_timeout_seconds: Annotated[float, Field(gt=0)] = 2
    """Longest wait for an answer of rooms."""

    access_token_seconds: Annotated[int, Field(ge=1)] = 600
    """Lifetime of an access token."""
    service_token_seconds: Annotated[int, Field(ge=1)] = 600
    """Lifetime of a service token."""
    jwks_max_age_seconds: Annotated[int, Field(ge=0)] = 300
    """How long clients may cache the published keys."""

    refresh_idle_seconds: Annotated[float, Field(gt=0)] = 30 * 86_400
    """A session expires if it is not refreshed for this long."""
    refresh_absolute_seconds: Annotated[float, Field(gt=0)] = 180 * 86_400
    """A session expires this long after the login, even if it is refreshed."""
    refresh_grace_seconds: Annotated[float, Field(ge=-1)] = 10
    """How long a used refresh token returns the same successor, for a client that lost it."""
    logins_per_user: Annotated[int, Field(ge=1)] = 100
    """Most sessions of a user; a new one ends the one unused for longest."""

    password_hash_passes: Annotated[int, Field(ge=1)] = 3
    """argon2id's time cost."""
    password_hash_memory_kib: Annotated[int, Field(ge=8)] = 65_536
    """argon2id's memory cost per hash."""
    password_hash_lanes: Annotated[int, Field(ge=1)] = 4
    """argon2id's parallelism."""
    password_hash_workers: Annotated[int, Field(ge=1)] = 2
    """Hashes computed at once; times the memory cost, this is what hashing can take."""
    password_hashes_waiting: Annotated[int, Field(ge=1)] = 64
    """Most hashes that wait for a worker of a process; more are refused with 503."""
    password_hashes_waiting_per_address: Annotated[int, Field(ge=1)] = 16
    """Most hashes of one address that wait for a worker; more are refused with 429."""
    password_hash_wait_seconds: Annotated[float, Field(gt=0)] = 10
    """Longest wait for a worker before the request is refused with 503."""

    login_failures_per_username_and_address: Annotated[int, Field(ge=1)] = 10
    """Failed logins with one username from one address within the window."""
    login_failures_per_username: Annotated[int, Field(ge=1)] = 100
    """Failed logins with one username within the window, from all addresses not known for it."""
    login_failures_per_address: Annotated[int, Field(ge=1)] = 200
    """Failed logins from one address within the window; those in progress count too."""
    login_failures_window_seconds: Annotated[float, Field(gt=0)] = 900
    """Window of the three limits above."""
    login_known_addresses: Annotated[int, Field(ge=0)] = 16
    """Most addresses that are known for a username because it logged in there."""
    login_known_address_seconds: Annotated[float, Field(gt=0)] = 30 * 86_400
    """How long an address is known after a login; failures elsewhere do not lock it out."""
    login_tries_per_address: Annotated[int, Field(ge=1)] = 600
    """Logins and changes of password from one address within the window, failed ones included."""
    login_successes_per_user: Annotated[int, Field(ge=1)] = 60
    """Logins of one user within the window."""
    login_tries_window_seconds: Annotated[float, Field(gt=0)] = 900
    """Window of the two limits above."""
    password_changes_per_user: Annotated[int, Field(ge=1)] = 10
    """Changes of one user's password within the window."""
    password_changes_window_seconds: Annotated[float, Field(gt=0)] = 3600
    """Window of the limit above."""
    refreshes_per_user: Annotated[int, Field(ge=1)] = 300
    """Refreshes of all sessions of one user within the window."""
    refreshes_window_seconds: Annotated[float, Field(gt=0)] = 600
    """Window of the limit above."""
    registrations_per_address: Annotated[int, Field(ge=1)] = 60
    """Registrations from one address within the window."""
    registrations_window_seconds: Annotated[float, Field(gt=0)] = 3600
    """Window of the limit above."""
    client_failures_per_address: Annotated[int, Field(ge=1)] = 10
    """Failed requests for service tokens with one name from one address within the window."""
    client_failures_window_seconds: Annotated[float, Field(gt=0)] = 60
    """Window of the limit above."""

    sweep_seconds: Annotated[float, Field(gt=0)] = 600
    """Interval at which expired sessions and throttles are deleted."""

    @model_validator(mode="before")
    @classmethod
    def read_service_secrets(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Read the secrets from the folder, if one is given."""
        folder = given.get("service_secrets_dir")
        if folder is None or isinstance(folder, InvalidSetting):
            return given
        if "service_secrets" in given:
            raise ValueError(
                "MADANG_SERVICE_SECRETS and MADANG_SERVICE_SECRETS_DIR are both set; set only one"
            )
        return given | {"service_secrets": dict(_read_secrets(Path(folder)))}

    @model_validator(mode="after")
    def refuse_default_service_secrets(self) -> Self:
        """Refuse empty and default secrets outside development."""
        if self.environment is not Environment.DEVELOPMENT:
            for name, secret in self.service_secrets.items():
                if secret.get_secret_value() in {"", DEVELOPMENT_SECRET}:
                    raise ValueError(
                        f"MADANG_SERVICE_SECRETS: {name} must be set outside development"
                    )
        return self

    @model_validator(mode="after")
    def require_shared_keys(self) -> Self:
        """Refuse to make a key that the other replicas on the same Redis would not have."""
        if (
            self.redis is not None
            and self.signing_keys_dir is None
            and self.environment is not Environment.DEVELOPMENT
        ):
            raise ValueError(
                "MADANG_SIGNING_KEYS_DIR must be set where Redis is: all replicas sign with the"
                " keys of one folder (make the first with `madang-auth keys new`)"
            )
        return self
