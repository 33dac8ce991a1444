import pytest

from stack.servers import ports
from stack.servers.ports import free_port


def test_a_port_is_given_once_though_nothing_listens_there_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "_RANGE", range(31_000, 31_100))

    given = [free_port() for _ in range(40)]

    assert len(set(given)) == len(given)
