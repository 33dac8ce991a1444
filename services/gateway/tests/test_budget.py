"""What is spent and kept, by connection, user and address."""

import pytest

from madang_common.token_bucket import Rate
from madang_gateway.limits.budget import Account, BufferQuota
from services.gateway.tests.budgets import budget
from services.gateway.tests.core import Time

HERE, THERE = "9.9.9.9", "8.8.8.8"


def spend_all(account: Account) -> float:
    """Spend whatever `account` can draw; return how much that was."""
    spent = 0.0
    while account.left >= 1 or account.draw():
        account.left -= 1
        spent += 1
    return spent


def test_before_it_is_let_in_a_connection_has_a_little_that_does_not_come_again() -> None:
    time = Time()
    account = budget(time, before_connected=20).account(HERE)

    assert spend_all(account) == 20
    time.now += 3600
    assert spend_all(account) == 0

    account.admit("mina")
    account.left = 0
    assert account.draw()


def test_a_connection_has_so_much_at_once_and_then_per_second() -> None:
    time = Time()
    account = budget(time, connection=Rate(10, 100)).account(HERE)
    account.admit("mina")

    assert spend_all(account) == 100
    time.now += 2
    assert spend_all(account) == 20


def test_all_connections_of_a_user_have_as_much_as_one_user_may() -> None:
    time = Time()
    spending = budget(time, user=Rate(10, 100))
    accounts = [spending.account(f"10.0.0.{number}") for number in range(5)]
    for account in accounts:
        account.admit("mina")

    assert sum(map(spend_all, accounts)) == 100
    time.now += 2
    assert sum(map(spend_all, accounts)) == 20

    other = spending.account(HERE)
    other.admit("jun")
    assert spend_all(other) == 100


def test_many_users_from_one_address_have_as_much_as_one_address_may() -> None:
    spending = budget(Time(), address=Rate(10, 100))
    accounts = [spending.account(HERE) for _ in range(5)]
    for number, account in enumerate(accounts[1:]):
        account.admit(f"user-{number}")

    assert sum(map(spend_all, accounts)) == 100
    assert spend_all(spending.account(THERE)) == 100


def test_what_is_known_only_afterwards_is_a_debt() -> None:
    time = Time()
    account = budget(time, connection=Rate(10, 100)).account(HERE)
    account.admit("mina")
    spend_all(account)

    account.left -= 50
    time.now += 4
    assert not account.draw()
    time.now += 1.2
    assert account.draw()


def test_work_under_way_is_paid_by_user_and_address_and_the_debt_takes_its_time() -> None:
    time = Time()
    spending = budget(time, user=Rate(10, 100), address=Rate(100, 100))
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


def test_what_has_no_account_yet_is_charged_to_its_address() -> None:
    time = Time()
    spending = budget(time, address=Rate(10, 25))

    assert spending.charge_address(HERE, 10) == 0
    assert spending.charge_address(HERE, 10) == 0
    assert spending.charge_address(HERE, 10) == pytest.approx(0.5)
    assert spending.charge_address(THERE, 10) == 0
    time.now += 0.5
    assert spending.charge_address(HERE, 10) == 0


def test_what_was_drawn_and_not_spent_is_given_back() -> None:
    spending = budget(Time(), address=Rate(1, 100))
    for _ in range(50):
        account = spending.account(HERE)
        assert account.draw()
        account.left -= 1
        account.close()

    assert spend_all(spending.account(HERE)) == 50


def test_bytes_are_counted_by_connection_user_and_address() -> None:
    spending = budget(connection_bytes=100, user_bytes=150, address_bytes=200)
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


def test_what_was_kept_before_the_user_was_known_is_the_users_too() -> None:
    spending = budget(user_bytes=100)
    one, two = spending.account(HERE), spending.account(HERE)
    one.add_buffered(80)
    one.admit("mina")
    two.admit("mina")

    assert two.add_buffered(30) is BufferQuota.SHARED_EXCEEDED


def test_a_connection_that_is_gone_keeps_nothing_whatever_is_told_late() -> None:
    spending = budget(user_bytes=100)
    gone, other = spending.account(HERE), spending.account(HERE)
    for each in (gone, other):
        each.admit("mina")
    gone.add_buffered(80)

    gone.close()
    gone.add_buffered(-80)
    gone.add_buffered(1000)

    assert other.add_buffered(100) is BufferQuota.WITHIN
    assert other.add_buffered(1) is BufferQuota.SHARED_EXCEEDED
