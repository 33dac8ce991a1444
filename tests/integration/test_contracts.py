"""Published schemas of events fit their examples; the client's copies of facts are right."""

import pytest
from jsonschema import Draft202012Validator

from contracts.diff import diff, report
from contracts.events import sample, schema
from madang_client.cli import interactive_chat, lines
from madang_common.events.data import MembershipChange
from madang_common.events.kinds import DURABLE, KINDS, MEMBERSHIP_CHANGES


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_samples_fit_their_schemas(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))

    Draft202012Validator(schema(kind)).validate(sample(kind))


def test_the_client_knows_the_kinds_that_end_a_membership() -> None:
    """It imports nothing of the services, so it has a copy."""
    ends = {kind for kind, how in MEMBERSHIP_CHANGES.items() if how is MembershipChange.ENDS}

    assert ends == interactive_chat._REMOVALS


def test_the_client_prints_no_kind_that_does_not_exist() -> None:
    assert lines._SENTENCES.keys() <= DURABLE.keys()


def test_an_outdated_contract_is_reported_with_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = report(
        diff({"a.json": "1\n", "gone.json": "2\n"}, {"a.json": "3\n"}), command="make x"
    )

    told = capsys.readouterr().err
    assert status == 1
    assert "+++ generated/a.json" in told
    assert "--- committed/gone.json" in told
    assert told.endswith("Out of date; run: make x\n")


def test_current_contracts_are_not_reported() -> None:
    assert report(diff({"a.json": "1\n"}, {"a.json": "1\n"}), command="make x") == 0
