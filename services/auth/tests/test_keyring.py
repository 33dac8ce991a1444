"""Keys that change while auth runs, and the command that makes keys."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from pydantic import SecretStr

from madang_auth.signing.key_files import UnusableKeys
from madang_auth.signing.keyring import Keyring
from madang_auth.signing.keys import make_key, read_keys
from services.auth.tests.harness import Harness, Rooms, Time, running
from stack import launching

COMMAND_SECONDS = 60
EARLY, LATE = (lambda: 1_800_000_000.0), (lambda: 1_900_000_000.0)


def kids(keyring: Keyring) -> set[str]:
    return {jwk["kid"] for jwk in keyring.keys.published}


def test_an_added_key_signs_after_a_refresh(tmp_path: Path) -> None:
    make_key(tmp_path, EARLY)
    keyring = Keyring(tmp_path)
    first = keyring.keys

    keyring.refresh()
    assert keyring.keys is first
    make_key(tmp_path, LATE)
    keyring.refresh()

    assert keyring.keys.kid != first.kid
    assert kids(keyring) == {first.kid, keyring.keys.kid}


def test_a_next_key_is_published_and_signs_after_its_rename(tmp_path: Path) -> None:
    make_key(tmp_path, EARLY)
    keyring = Keyring(tmp_path)
    first = keyring.keys.kid

    coming = make_key(tmp_path, LATE, is_next=True)
    keyring.refresh()
    (new,) = kids(keyring) - {first}
    assert keyring.keys.kid == first
    coming.rename(tmp_path / coming.name.replace(".next", ""))
    keyring.refresh()

    assert keyring.keys.kid == new
    assert kids(keyring) == {first, new}


def test_an_unusable_folder_keeps_the_current_keys(tmp_path: Path) -> None:
    first = make_key(tmp_path, EARLY)
    keyring = Keyring(tmp_path)
    known = keyring.keys

    (tmp_path / "broken.pem").write_text("nonsense")
    keyring.refresh()
    assert keyring.keys is known
    (tmp_path / "broken.pem").unlink()
    first.unlink()
    keyring.refresh()
    assert keyring.keys is known
    make_key(tmp_path, LATE)
    keyring.refresh()

    assert keyring.keys.kid == read_keys(tmp_path).kid != known.kid


def test_two_keys_made_in_one_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    make_key(tmp_path, EARLY)
    kid = read_keys(tmp_path).kid

    with pytest.raises(UnusableKeys, match="exists already"):
        make_key(tmp_path, EARLY)

    assert read_keys(tmp_path).kid == kid


async def test_replicas_use_a_new_key_without_a_restart(
    redis_database_url: str, tmp_path: Path
) -> None:
    keys, rooms, time = tmp_path / "keys", Rooms(), Time()
    first = make_key(keys, EARLY)
    changes = {
        "redis_url": SecretStr(redis_database_url),
        "signing_keys_dir": keys,
        "signing_keys_poll_seconds": 0.01,
    }
    async with (
        running(tmp_path / "1", rooms=rooms, time=time, changes=changes) as one,
        running(tmp_path / "2", rooms=rooms, time=time, changes=changes) as other,
    ):
        await one.register()
        old = await one.login()

        coming = make_key(keys, LATE, is_next=True)
        for harness in (one, other):
            await until(harness, lambda page: len(page["keys"]) == 2)
        coming.rename(keys / coming.name.replace(".next", ""))
        kid = read_keys(keys).kid
        new = await signed_with(kid, one)

        for token in (old.access, new):
            for harness in (one, other):
                headers = {"Authorization": f"Bearer {token}"}
                answer = await harness.client.get("/api/auth/v1/me", headers=headers)
                assert answer.status_code == 200
        first.unlink()
        for harness in (one, other):
            await until(harness, lambda page: [key["kid"] for key in page["keys"]] == [kid])


async def signed_with(kid: str, harness: Harness) -> str:
    """Return an access token when one is signed with the key called `kid`."""
    async with asyncio.timeout(10):
        while True:
            token = str((await harness.try_login()).json()["access_token"])
            if jwt.get_unverified_header(token)["kid"] == kid:
                return token


async def until(harness: Harness, fits: Callable[[dict[str, list[dict[str, str]]]], bool]) -> None:
    """Return when the published keys are as expected."""
    async with asyncio.timeout(10):
        while True:
            if fits((await harness.client.get("/.well-known/jwks.json")).json()):
                return
            await asyncio.sleep(0.005)


def command(*arguments: str | Path) -> tuple[int, str]:
    """Run `madang-auth` and return its exit code and output."""
    given = map(str, arguments)
    ended = launching.run("madang_auth", *given, env=os.environ, seconds=COMMAND_SECONDS)
    return ended.status, ended.out + ended.errors


async def test_the_command_makes_a_key_private_to_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "keys"

    code, output = command("keys", "new", folder)

    (path,) = folder.iterdir()
    assert code == 0
    assert path.name in output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_keys(folder).kid


async def test_the_command_makes_the_first_key_once(tmp_path: Path) -> None:
    for _ in range(2):
        assert (command("keys", "new", tmp_path, "--first"))[0] == 0

    assert len(read_keys(tmp_path).published) == 1


async def test_the_command_makes_a_key_that_does_not_sign_yet(tmp_path: Path) -> None:
    make_key(tmp_path, EARLY)
    kid = read_keys(tmp_path).kid

    assert (command("keys", "new", tmp_path, "--next"))[0] == 0

    assert read_keys(tmp_path).kid == kid
    assert len(read_keys(tmp_path).published) == 2


async def test_the_command_reports_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    code, output = command("keys", "new", tmp_path / "file")

    assert code == 1
    assert output.startswith("madang-auth keys new: ")
    assert output.count("\n") == 1
