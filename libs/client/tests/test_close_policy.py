import pytest

from madang_client.close_policy import CloseAction, close_action


@pytest.mark.parametrize(
    "code", [None, 1000, 1001, 1005, 1006, 1011, 1012, 1013, 4008, 4500, 4503, 4508, 4599]
)
def test_a_client_reconnects_after(code: int | None) -> None:
    assert close_action(code, None) is CloseAction.RECONNECT


@pytest.mark.parametrize("code", [1002, 1007, 1008, 1009, 4400, 4403, 4410, 4429, 4499])
def test_a_client_gives_up_after(code: int) -> None:
    assert close_action(code, None) is CloseAction.GIVE_UP


@pytest.mark.parametrize(("code", "status"), [(4401, None), (4501, None), (1006, 401)])
def test_a_client_renews_its_token_after(code: int, status: int | None) -> None:
    assert close_action(code, status) is CloseAction.RENEW_TOKEN


def test_without_a_code_of_the_application_the_status_decides() -> None:
    assert close_action(1006, 403) is CloseAction.GIVE_UP
    assert close_action(1006, 429) is CloseAction.RECONNECT
    assert close_action(1006, 503) is CloseAction.RECONNECT


def test_a_code_of_the_application_takes_precedence_over_the_status() -> None:
    assert close_action(4503, 403) is CloseAction.RECONNECT
