"""Lists of distributions, adapters and settings in the repository are complete."""

import configparser
import re
from pathlib import Path

import pytest

from contracts.settings import SETTINGS
from madang_common.settings import CommonSettings

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = {
    str(project.parent.relative_to(ROOT))
    for folder in ("libs", "services")
    for project in (ROOT / folder).glob("*/pyproject.toml")
}
SERVICES = {f"madang_{Path(name).name}" for name in DISTRIBUTIONS if name.startswith("services/")}
_NO_ADAPTERS = frozenset({"__init__", "port"})


def import_contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser


def test_the_makefile_lists_every_distribution() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    listed = re.findall(r"^(?:LIBS|SERVICES) := (.+)$", makefile, re.MULTILINE)

    assert {name for names in listed for name in names.split()} == DISTRIBUTIONS


def test_import_contracts_cover_every_distribution() -> None:
    listed = import_contracts()["importlinter"]["root_packages"].split()

    assert set(listed) == {f"madang_{Path(name).name}" for name in DISTRIBUTIONS}


def test_import_contracts_layer_every_service() -> None:
    contracts = import_contracts()
    layered = {
        contracts[section]["containers"].strip()
        for section in contracts.sections()
        if "containers" in contracts[section]
    }

    assert layered | {"madang_standalone"} == SERVICES


def test_the_settings_page_covers_every_service() -> None:
    covered = {settings.__module__.partition(".")[0] for settings in SETTINGS.values()}

    assert covered - {"madang_common"} == SERVICES


def test_adapters_beside_a_port_are_importable_from_the_wiring_only() -> None:
    protected = set(
        import_contracts()["importlinter:contract:adapters"]["protected_modules"].split()
    )

    adapters = {
        ".".join(module.relative_to(ROOT).with_suffix("").parts[2:])
        for port in ROOT.glob("*/*/madang_*/**/port.py")
        for module in port.parent.glob("*.py")
        if _implements_the_port(module, port.parent)
    }

    assert adapters
    assert adapters <= protected, "list every adapter in .importlinter"


def _implements_the_port(module: Path, package: Path) -> bool:
    """Return whether a class of `module` has a Protocol of the port of `package` as its base."""
    if module.stem in _NO_ADAPTERS:
        return False
    protocols = re.findall(
        r"^class (\w+)\(.*\bProtocol\b", (package / "port.py").read_text("utf-8"), re.MULTILINE
    )
    bases = re.findall(r"^class \w+\((.*)\):", module.read_text("utf-8"), re.MULTILINE)
    return any(protocol in re.split(r"[\s,\[]+", base) for base in bases for protocol in protocols)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=lambda settings: settings.__name__)
def test_every_setting_has_a_description(settings: type[CommonSettings]) -> None:
    missing = [name for name, field in settings.model_fields.items() if not field.description]

    assert not missing
