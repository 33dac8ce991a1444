"""Writes what is rendered from the chart: the plain manifests of deploy/k8s.

python -m contracts.chart [--check]
"""

import argparse
import sys

from contracts.chart.kustomize import GENERATED, files
from contracts.chart.rendering import ROOT
from contracts.diff import diff, report


def main() -> int:
    """Write every file, or with `--check` compare them; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m contracts.chart", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a diff")
    generated = files()
    paths = [path for pattern in GENERATED for path in ROOT.glob(pattern)]
    committed = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}
    if parser.parse_args().check:
        return report(diff(committed, generated), command="make k8s")
    for name in committed.keys() - generated.keys():
        (ROOT / name).unlink()
    for name, text in generated.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
