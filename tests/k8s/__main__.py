"""`python -m tests.k8s`: the chart and the manifests on the cluster that KUBECONFIG names.

Runs all phases in order, prints their figures, and removes the namespace. What follows goes to
pytest: `-k upgrade` runs these phases only. `--keep` leaves the release in the cluster.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.k8s.figures import Phase, append, read, summary
from tests.k8s.product import Kubernetes, kubernetes
from tests.support.deployment import ROOT

_FOLDER = ROOT / "tests" / "k8s"
_BEFORE = ("test_install.py",)
_AFTER = (
    *("test_rollouts.py", "test_failures.py", "test_scaling.py", "test_signing_keys.py"),
    *("test_rollback.py", "test_uninstall.py", "test_manifests.py"),
)
_PHASE_SECONDS = 1800
_E2E_SECONDS = 600


def main() -> None:
    """Run the phases; exit with 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.k8s")
    parser.add_argument("--keep", action="store_true", help="leave the release in the cluster")
    parser.add_argument("--no-e2e", action="store_true", help="without the end-to-end tests")
    options, arguments = parser.parse_known_args()
    product = kubernetes()
    figures = product.place.folder / "figures.jsonl"
    figures.unlink(missing_ok=True)
    os.environ["K8S_FIGURES"] = str(figures)
    codes = []
    try:
        codes.append(_phases(_BEFORE, arguments))
        if not options.no_e2e and codes == [0]:
            codes.append(_end_to_end(product))
        codes.append(_phases(_AFTER, arguments))
    finally:
        print(summary(read(figures)))
        if not options.keep:
            product.cluster.delete_namespace()
    sys.exit(1 if any(codes) else 0)


def _phases(files: tuple[str, ...], arguments: list[str]) -> int:
    paths = [_FOLDER / file for file in files]
    return _pytest([*paths, "-o", f"timeout={_PHASE_SECONDS}", *arguments])


def _end_to_end(product: Kubernetes) -> int:
    """Run the end-to-end suite; its name in the names of the tests selects this form."""
    os.environ["MADANG_E2E"] = "kubernetes"
    begun = time.monotonic()
    product.share_processes(shared=True)
    code = _pytest(["tests/e2e", "-k", "kubernetes", "-o", f"timeout={_E2E_SECONDS}"])
    product.share_processes(shared=False)
    outcome = "failed" if code else "passed"
    append(Phase("end-to-end suite", time.monotonic() - begun, outcome))
    return code


def _pytest(arguments: list[str | Path]) -> int:
    command = [sys.executable, "-m", "pytest", "-v", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    main()
