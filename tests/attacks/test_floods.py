"""A client that sends without pause is throttled or closed, and others do not notice."""

import pytest

from tests.attacks.attack import SECONDS, SHORT, attack
from tests.attacks.attack_request import OPEN, AttackRequest
from tests.attacks.bounds import TOO_FAST, unnoticed
from tests.attacks.setup import Setup

_UNAUTHENTICATED = 4401
_RESTS = "madang_gateway_reading_rests_total"


@pytest.mark.parametrize(
    "name", ["fragments", "line_feeds", "pings", "sockjs_arrays", "single_bytes"]
)
async def test_a_flood_before_connect_is_closed_and_nobody_waits(setup: Setup, name: str) -> None:
    outcome = await attack(setup, AttackRequest(name, setup.product.ws_url, SECONDS))

    unnoticed(outcome)
    assert outcome.report.closed_with(TOO_FAST), outcome


async def test_tokens_that_nobody_signed_make_nobody_wait(setup: Setup) -> None:
    outcome = await attack(setup, AttackRequest("logins", setup.product.ws_url, SECONDS, 16))

    unnoticed(outcome)
    ends = outcome.report.ends
    assert outcome.report.closed_with(_UNAUTHENTICATED) == sum(ends.values()) - ends[OPEN], outcome


_RESUMED_BYTES = 5_000_000
"""More than a user's allowance lets through at once, and in a second."""
_CHEAP = ["subscriptions", "acknowledgements", "tokens", "transactions", "typing", "nowhere"]
_ALONE = [] if SHORT else [(name, 4) for name in _CHEAP]


@pytest.mark.parametrize(
    ("name", "connections"),
    [("resumes", 8), pytest.param(",".join(_CHEAP), 2 * len(_CHEAP), id="all at once"), *_ALONE],
)
async def test_a_flood_of_one_account_is_throttled_and_nobody_waits(
    setup: Setup, name: str, connections: int
) -> None:
    room = await setup.room(messages=1000, size=20)
    url, token = setup.product.ws_url, setup.attacker.token
    request = AttackRequest(
        name, url, SECONDS, connections, token=token, rooms=[room.id], since=room.messages[:1]
    )

    rests = setup.product.metric(_RESTS)

    outcome = await attack(setup, request)

    unnoticed(outcome)
    throttled = setup.product.metric(_RESTS) > rests
    # On a busy machine the product may never come to spend the whole allowance.
    spared = name == "resumes" and outcome.report.received < _RESUMED_BYTES * (1 + SECONDS)
    assert throttled or spared or outcome.report.closed_with(TOO_FAST), outcome
