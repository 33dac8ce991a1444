"""The published schemas of events are valid, and fit the examples."""

import pytest
from jsonschema import Draft202012Validator

from contracts.events import sample, schema
from madang_common.events.kinds import KINDS


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_samples_fit_their_schemas(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))

    Draft202012Validator(schema(kind)).validate(sample(kind))
