"""Allowances and buffer quotas of connections, users and addresses."""

import pytest

from madang_common.token_bucket import Rate
from madang_gateway.limits.budget import Account, BufferQuota
from services.gateway.tests.budgets import unlimited_budget
from services.gateway.tests.event_pipeline import ManualClock

HERE, THERE = "9.9.9.9", "8.8.8.8"


def spend_all(account: Account) -> float:
    """Spend everything that `account` can draw; return the sum."""
    spent = 0.0
    while account.left >= 1 or account.draw():
        account.left -= 1
        spent += 1
    return spent


def test_the_allowance_before_connected_is_not_refilled() -> None:
    time = ManualClock()
    account = unlimited_budget(time, before_connected=20).account(HERE)

    assert spend_all(account) == 20
    time.now += 3600
    assert spend_all(account) == 0

    account.admit("mina")
    account.left = 0
    assert account.draw()


def test_a_connection_has_a_burst_and_a_rate() -> None:
    time = ManualClock()
    account = unlimited_budget(time, connection=Rate(10, 100)).account(HERE)
    account.admit("mina")

    assert spend_all(account) == 100
    time.now += 2
    assert spend_all(account) == 20


def test_all_connections_of_a_user_share_an_allowance() -> None:
    time = ManualClock()
    spending = unlimited_budget(time, user=Rate(10, 100))
    accounts = [spending.account(f"10.0.0.{number}") for number in range(5)]
    for account in accounts:
        account.admit("mina")

    assert sum(map(spend_all, accounts)) == 100
    time.now += 2
    assert sum(map(spend_all, accounts)) == 20

    other = spending.account(HERE)
    other.admit("jun")
    assert spend_all(other) == 100


def test_all_connections_from_an_address_share_an_allowance() -> None:
    spending = unlimited_budget(ManualClock(), address=Rate(10, 100))
    accounts = [spending.account(HERE) for _ in range(5)]
    for number, account in enumerate(accounts[1:]):
        account.admit(f"user-{number}")

    assert sum(map(spend_all, accounts)) == 100
    assert spend_all(spending.account(THERE)) == 100


def test_costs_known_afterwards_become_a_debt() -> None:
    time = ManualClock()
    account = unlimited_budget(time, connection=Rate(10, 100)).account(HERE)
    account.admit("mina")
    spend_all(account)

    account.left -= 50
    time.now += 4
    assert not account.draw()
    time.now += 1.2
    assert account.draw()


def test_background_work_is_charged_to_user_and_address() -> None:
    time = ManualClock()
    spending = unlimited_budget(time, user=Rate(10, 100), address=Rate(100, 100))
    account, other = spending.account(HERE), spending.account(THERE)
    for each in (account, other):
        each.admit("mina")

    account.spend(99)
    assert account.debt_seconds == 0
    account.spend(51)

    assert account.debt_seconds == pytest.approx(5)
    assert other.debt_seconds == pytest.approx(5)
    assert not other.draw()
    time.now += 5.2
    assert account.debt_seconds == 0
    assert other.draw()


def test_a_request_without_an_account_is_charged_to_its_address() -> None:
    time = ManualClock()
    spending = unlimited_budget(time, address=Rate(10, 25))

    assert spending.charge_address(HERE, 10) == 0
    assert spending.charge_address(HERE, 10) == 0
    assert spending.charge_address(HERE, 10) == pytest.approx(0.5)
    assert spending.charge_address(THERE, 10) == 0
    time.now += 0.5
    assert spending.charge_address(HERE, 10) == 0


def test_unspent_frames_are_returned_on_close() -> None:
    spending = unlimited_budget(ManualClock(), address=Rate(1, 100))
    for _ in range(50):
        account = spending.account(HERE)
        assert account.draw()
        account.left -= 1
        account.close()

    assert spend_all(spending.account(HERE)) == 50


def test_buffered_bytes_are_counted_by_connection_user_and_address() -> None:
    spending = unlimited_budget(connection_bytes=100, user_bytes=150, address_bytes=200)
    one, two, three = (spending.account(HERE) for _ in range(3))
    one.admit("mina")
    two.admit("mina")
    three.admit("jun")

    assert one.add_buffered(101) is BufferQuota.CONNECTION_EXCEEDED
    assert one.add_buffered(-1) is BufferQuota.WITHIN
    assert two.add_buffered(50) is BufferQuota.WITHIN
    assert two.add_buffered(1) is BufferQuota.SHARED_EXCEEDED
    assert two.add_buffered(-1) is BufferQuota.WITHIN
    assert three.add_buffered(50) is BufferQuota.WITHIN
    assert three.add_buffered(1) is BufferQuota.SHARED_EXCEEDED


def test_bytes_buffered_before_connect_count_for_the_user() -> None:
    spending = unlimited_budget(user_bytes=100)
    one, two = spending.account(HERE), spending.account(HERE)
    one.add_buffered(80)
    one.admit("mina")
    two.admit("mina")

    assert two.add_buffered(30) is BufferQuota.SHARED_EXCEEDED


def test_a_closed_account_counts_no_bytes() -> None:
    spending = unlimited_budget(user_bytes=100)
    gone, other = spending.account(HERE), spending.account(HERE)
    for each in (gone, other):
        each.admit("mina")
    gone.add_buffered(80)

    gone.close()
    gone.add_buffered(-80)
    gone.add_buffered(1000)

    assert other.add_buffered(100) is BufferQuota.WITHIN
    assert other.add_buffered(1) is BufferQuota.SHARED_EXCEEDED
