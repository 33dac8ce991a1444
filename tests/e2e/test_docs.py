"""The page about the REST interface, on both forms of the product."""

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Visit
from tests.e2e.product import Product

_COMMITTED = Path(__file__).parents[2] / "web" / "public" / "openapi.json"


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_everything_comes_from_this_server_and_no_script_is_inline(
    client: httpx.Client, path: str
) -> None:
    page = client.get(path)

    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "//" not in page.text.replace("<!doctype", "")
    assert "<script>" not in page.text


def test_the_document_is_the_committed_one(client: httpx.Client) -> None:
    answer = client.get("/openapi.json")

    assert answer.json() == json.loads(_COMMITTED.read_text("utf-8"))
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_browser_shows_every_operation_and_tries_one(product: Product, visit: Visit) -> None:
    operations = json.loads(_COMMITTED.read_text("utf-8"))["paths"]
    reader = visit(product, "/docs")
    shown = reader.page.locator(".opblock")

    expect(shown).to_have_count(sum(len(path) for path in operations.values()))
    keys = reader.page.locator("#operations-keys-getKeys")
    keys.locator(".opblock-summary-control").click()
    keys.get_by_role("button", name="Try it out").click()
    keys.get_by_role("button", name="Execute").click()

    expect(keys.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(keys.locator(".live-responses-table")).to_contain_text('"keys"')
