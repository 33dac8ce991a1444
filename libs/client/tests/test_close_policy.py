import pytest

from madang_client.close_policy import Verdict, verdict


@pytest.mark.parametrize(
    "code", [None, 1000, 1001, 1005, 1006, 1011, 1012, 1013, 4008, 4500, 4503, 4508, 4599]
)
def test_a_client_comes_back_after(code: int | None) -> None:
    assert verdict(code, None) is Verdict.COME_BACK


@pytest.mark.parametrize("code", [1002, 1007, 1008, 1009, 4400, 4403, 4410, 4429, 4499])
def test_a_client_stays_away_after(code: int) -> None:
    assert verdict(code, None) is Verdict.STAY_AWAY


@pytest.mark.parametrize(("code", "status"), [(4401, None), (4501, None), (1006, 401)])
def test_a_client_renews_its_token_after(code: int, status: int | None) -> None:
    assert verdict(code, status) is Verdict.RENEW


def test_an_error_without_a_telling_code_is_judged_by_its_status() -> None:
    assert verdict(1006, 403) is Verdict.STAY_AWAY
    assert verdict(1006, 429) is Verdict.COME_BACK
    assert verdict(1006, 503) is Verdict.COME_BACK


def test_a_code_of_the_application_outranks_the_error() -> None:
    assert verdict(4503, 403) is Verdict.COME_BACK
