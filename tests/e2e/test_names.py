"""Names: which are refused, and how each is found in any spelling."""

import os
import secrets
import subprocess
import sys
import unicodedata
from pathlib import Path

import httpx
import pytest

from tests.e2e.people import PASSWORD, Person
from tests.e2e.product import Product

ROOMS = "/api/rooms/v1/rooms"
INVISIBLE = [
    "\u3164",
    "\u115f",
    "\u1160",
    "\uffa0",
    "\u2800",
    "\ufff0",
    "\U000e0fff",
    "\U0001d159",
    "minji\u200b",
    "min\u00adji",
]


@pytest.mark.parametrize("name", INVISIBLE, ids=lambda name: name.encode("unicode_escape").decode())
def test_an_invisible_character_is_in_no_name(
    client: httpx.Client, minji: Person, name: str
) -> None:
    account = {"username": f"x-{secrets.token_hex(4)}", "password": PASSWORD}
    headers = {"Authorization": f"Bearer {minji.token}"}

    registered = client.post("/api/auth/v1/register", json=account | {"display_name": name})
    made = client.post(ROOMS, headers=headers, json={"name": name, "visibility": "public"})

    assert (registered.status_code, made.status_code) == (422, 422)
    assert "No invisible characters (U+" in registered.text
    assert "No invisible characters (U+" in made.text


@pytest.mark.parametrize("name", ["👩‍👩‍👧‍👦 마당", "❤️ क्‍ष", "علی‌رضا"])
def test_what_a_script_or_an_emoji_needs_is_in_names(minji: Person, name: str) -> None:
    body = {"name": name, "visibility": "private"}

    assert minji.call("POST", ROOMS, status=201, json=body)["name"] == name


def test_a_public_room_is_found_however_its_name_is_written(minji: Person, junho: Person) -> None:
    name = f"마당 CAFÉ {secrets.token_hex(4)}"
    body = {"name": name, "visibility": "public"}
    room = minji.call("POST", ROOMS, status=201, json=body)["id"]

    for query in (name, unicodedata.normalize("NFD", name), name.lower(), f" {name.upper()} "):
        found = junho.call("GET", f"{ROOMS}/public", status=200, params={"query": query})
        assert [item["id"] for item in found["items"]] == [room], query


def test_a_message_is_sent_to_a_room_by_its_decomposed_name(
    product: Product, tmp_path: Path
) -> None:
    name = f"minji-{secrets.token_hex(4)}"
    environment = os.environ | {
        "MADANG_SERVER": product.url,
        "MADANG_PASSWORD": PASSWORD,
        "MADANG_STATE_DIR": str(tmp_path),
    }

    def madang(*arguments: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("madang"), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    madang("register", name, "--display-name", "Minji left. Madang Admin")
    madang("login", name.upper())
    madang("create", "마당")

    assert madang("send", unicodedata.normalize("NFD", "마당"), "안녕")
    assert "* “Minji left. Madang Admin” joined" in madang("history", "마당")
