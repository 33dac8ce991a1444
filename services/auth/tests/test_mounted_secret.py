"""Signing keys in a mounted Secret."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import jwt
import pytest
from structlog.testing import capture_logs

from madang_auth.signing.key_files import UnusableKeys, read_files
from madang_auth.signing.keyring import Keyring
from madang_auth.signing.keys import make_key, new_pem, read_keys
from services.auth.tests.harness import Harness, running
from tests.support.mounted_secret import MountedSecret, kid_of

OLD, NEW, NEWER = new_pem(), new_pem(), new_pem()


@pytest.fixture
def secret(tmp_path: Path) -> MountedSecret:
    return MountedSecret(tmp_path / "keys")


def test_the_file_current_signs_and_all_others_are_only_published(secret: MountedSecret) -> None:
    secret.write({"retired.pem": OLD, "current.pem": NEW, "next.pem": NEWER, "20990101.pem": OLD})

    keys = read_keys(secret.folder)

    assert keys.kid == kid_of(NEW)
    assert {jwk["kid"] for jwk in keys.published} == {kid_of(OLD), kid_of(NEW), kid_of(NEWER)}


def test_a_rotation_is_three_changes_of_the_secret(secret: MountedSecret) -> None:
    secret.write({"current.pem": OLD})
    keyring = Keyring(secret.folder)
    seen = [keyring.uses]

    for files in (
        {"current.pem": OLD, "next.pem": NEW},
        {"current.pem": NEW, "retired.pem": OLD},
        {"current.pem": NEW},
    ):
        secret.write(files)
        keyring.refresh()
        seen.append(keyring.uses)

    old, new = kid_of(OLD), kid_of(NEW)
    assert seen == [
        {old: "signs"},
        {old: "signs", new: "published"},
        {new: "signs", old: "published"},
        {new: "signs"},
    ]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({}, "has no signing key"),
        ({"next.pem": NEW}, r"has next\.pem, but no current\.pem"),
        ({"retired.pem": OLD, "next.pem": NEW}, r"has next\.pem, retired\.pem, but no current"),
        ({"current.pem": b"nonsense"}, r"current\.pem is not a private key"),
        ({"current.pem": b""}, r"current\.pem is not a private key"),
        ({"current.pem": NEW, "next.pem": NEW[:60]}, r"next\.pem is not a private key"),
    ],
)
async def test_a_broken_secret_is_refused_and_the_earlier_keys_stay(
    secret: MountedSecret, tmp_path: Path, broken: dict[str, bytes], reason: str
) -> None:
    secret.write({"current.pem": OLD})
    changes = {"signing_keys_dir": secret.folder, "signing_keys_poll_seconds": 0.01}
    async with running(tmp_path / "data", changes=changes) as harness:
        await harness.register()
        with capture_logs() as logs:
            secret.write(broken)
            await until_unusable(harness, 1)
            pair = await harness.login()
            secret.write({"current.pem": OLD})
            await until_unusable(harness, 0)

    assert jwt.get_unverified_header(pair.access)["kid"] == kid_of(OLD)
    found = [entry for entry in logs if entry["event"].startswith("signing_keys")]
    assert [entry["event"] for entry in found] == ["signing_keys_unusable", "signing_keys_read"]
    assert re.search(reason, found[0]["error"])
    assert found[0]["kid"] == kid_of(OLD)


async def until_unusable(harness: Harness, state: int) -> None:
    """Return when the metric of unusable keys is `state`."""
    async with asyncio.timeout(20):
        while await harness.metric("madang_auth_signing_keys_unusable") != state:  # noqa: ASYNC110 - a thread reads the folder
            await asyncio.sleep(0.005)


def test_a_read_never_mixes_two_versions(secret: MountedSecret) -> None:
    versions = [{f"{name}.pem": name.encode() * size for name in "abcd"} for size in (1, 2, 3)]
    secret.write(versions[0])
    done = threading.Event()

    def write() -> None:
        try:
            for n in range(60):
                secret.write(versions[n % 3])
                done.wait(0.001)
        finally:
            done.set()

    def reads() -> Iterator[dict[str, bytes]]:
        while not done.is_set():
            # A read that is overtaken again and again is refused, and repeated at the next poll.
            with suppress(UnusableKeys):
                yield {name: file.content for name, file in read_files(secret.folder).items()}

    writing = threading.Thread(target=write)
    writing.start()
    found = list(reads())
    writing.join()

    assert all(files in versions for files in found)
    assert len({len(files["a.pem"]) for files in found}) > 1


@pytest.mark.parametrize(("mode", "warnings"), [(0o400, 0), (0o440, 0), (0o444, 1), (0o460, 1)])
def test_only_a_key_that_others_may_read_is_warned_about(
    secret: MountedSecret, mode: int, warnings: int
) -> None:
    secret.write({"current.pem": OLD}, mode=mode)

    with capture_logs() as logs:
        read_keys(secret.folder)

    found = [entry["path"] for entry in logs if entry["log_level"] == "warning"]
    assert found == [str(secret.folder / "current.pem")] * warnings


def test_no_key_is_made_beside_a_current_one(secret: MountedSecret) -> None:
    secret.write({"current.pem": OLD})

    with pytest.raises(UnusableKeys, match=r"current\.pem signs"):
        make_key(secret.folder, lambda: 1_800_000_000)


async def test_metrics_tell_which_key_signs_and_which_are_published(
    secret: MountedSecret, tmp_path: Path
) -> None:
    secret.write({"current.pem": OLD, "next.pem": NEW})
    async with running(tmp_path / "data", signing_keys_dir=secret.folder) as harness:
        metric = "madang_auth_signing_key"
        assert await harness.metric(metric, kid=kid_of(OLD), use="signs") == 1
        assert await harness.metric(metric, kid=kid_of(NEW), use="published") == 1
