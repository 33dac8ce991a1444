"""The committed contracts are those of the code."""

from difflib import unified_diff
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from contracts.events import sample, schema
from contracts.generate import contracts
from madang_common.events.kinds import DURABLE, LIVE

ROOT = Path(__file__).parents[2]
COMMITTED = (
    "contracts/**/*.json",
    "contracts/**/*.yaml",
    "docs/settings.md",
    "libs/common/madang_common/setting_names.txt",
    "web/openapi.json",
)


async def test_committed_contracts_are_up_to_date() -> None:
    generated = dict(await contracts())
    paths = [path for pattern in COMMITTED for path in ROOT.glob(pattern)]
    committed = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}

    differences = [
        line
        for name in sorted(generated.keys() | committed.keys())
        for line in unified_diff(
            committed.get(name, "").splitlines(),
            generated.get(name, "").splitlines(),
            f"committed/{name}",
            f"generated/{name}",
            lineterm="",
        )
    ]

    assert not differences, "\n".join([*differences, "", "run: make contracts"])


@pytest.mark.parametrize("kind", sorted(DURABLE | LIVE))
def test_samples_fit_their_schemas(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))

    Draft202012Validator(schema(kind)).validate(sample(kind))
