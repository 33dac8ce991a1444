import os
import stat
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from madang_auth.signing.jwk import thumbprint, to_jwk
from madang_auth.signing.key_files import UnusableKeys
from madang_auth.signing.keys import make_first_key, read_keys
from madang_common.problems import Unauthenticated
from services.auth.tests.harness import Harness, running


def write_key(folder: Path, name: str) -> str:
    """Put a new key into `folder` and return its kid."""
    key = Ed25519PrivateKey.generate()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return thumbprint(key.public_key())


def test_the_thumbprint_is_the_one_of_rfc_8037() -> None:
    x = urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    key = Ed25519PublicKey.from_public_bytes(x)

    jwk = to_jwk(key)

    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert jwk == {
        "crv": "Ed25519",
        "kty": "OKP",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        "alg": "EdDSA",
        "use": "sig",
    }


def test_the_first_key_is_private_and_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "auth" / "keys"
    before = os.umask(0)

    make_first_key(folder, lambda: 1_800_000_000)
    make_first_key(folder, lambda: 1_900_000_000)
    os.umask(before)

    (path,) = folder.iterdir()
    assert path.name == "20270115T080000Z.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert read_keys(folder).published[0]["kid"] == read_keys(folder).kid


def test_an_unfinished_key_of_a_crash_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "20270115T080000Z.unfinished").write_text("-----BEGIN PRI")

    make_first_key(tmp_path, lambda: 1_800_000_000)

    assert read_keys(tmp_path).kid


def test_the_last_key_by_name_signs_and_all_are_published(tmp_path: Path) -> None:
    new = write_key(tmp_path, "2027.pem")
    old = write_key(tmp_path, "2026.pem")
    coming = write_key(tmp_path, "2028.next.pem")

    keys = read_keys(tmp_path)

    assert keys.kid == new
    assert {jwk["kid"] for jwk in keys.published} == {old, new, coming}


def test_a_folder_without_a_signing_key_is_refused(tmp_path: Path) -> None:
    write_key(tmp_path, "2028.next.pem")

    with pytest.raises(UnusableKeys, match="has no signing key"):
        read_keys(tmp_path)


def test_an_invalid_key_file_is_named_in_the_error(tmp_path: Path) -> None:
    write_key(tmp_path, "good.pem")
    (tmp_path / "bad.pem").write_text("nonsense")
    with pytest.raises(UnusableKeys, match=r"bad\.pem is not a private key"):
        read_keys(tmp_path)

    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "bad.pem").write_bytes(pem)
    with pytest.raises(UnusableKeys, match=r"bad\.pem is not an Ed25519 key"):
        read_keys(tmp_path)


async def test_the_published_keys_may_be_cached(harness: Harness) -> None:
    answer = await harness.client.get("/.well-known/jwks.json")

    (key,) = answer.json()["keys"]
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert set(key) == {"crv", "kty", "x", "kid", "alg", "use"}


async def test_tokens_are_valid_after_a_rollover_until_their_key_is_removed(
    tmp_path: Path,
) -> None:
    keys, data = tmp_path / "keys", tmp_path / "data"
    write_key(keys, "2026.pem")
    async with running(data, signing_keys_dir=keys) as harness:
        await harness.register()
        old = await harness.login()

    new_kid = write_key(keys, "2027.pem")
    async with running(
        data, rooms=harness.rooms, time=harness.time, signing_keys_dir=keys
    ) as harness:
        assert (await harness.client.get("/api/auth/v1/me", headers=old.headers)).status_code == 200
        new = await harness.refresh(old.refresh)

    (keys / "2026.pem").unlink()
    async with running(
        data, rooms=harness.rooms, time=harness.time, signing_keys_dir=keys
    ) as harness:
        assert read_keys(keys).kid == new_kid
        assert await harness.verifiers.users.verify(new.access) == new.claims
        with pytest.raises(Unauthenticated):
            await harness.verifiers.users.verify(old.access)


async def test_no_key_is_made_in_a_configured_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(UnusableKeys):
        async with running(tmp_path / "data", signing_keys_dir=tmp_path / "empty"):
            pass

    assert not (tmp_path / "data" / "auth" / "keys").exists()
