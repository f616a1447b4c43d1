"""Run the runtime's tests under every supported Python on this machine: make test-matrix.

Looks for each version on the PATH and in pyenv's folder, gives it an environment of its own under .venvs, and
says which versions it did not find.  The exit code is that of the worst run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.10", "3.11", "3.12")
# What these need is in the runtime; no Paddle.
TESTS = ("tests/runtime", "tests/cli", "--ignore=tests/cli/test_missing_extras.py")
EXTRAS = "cpu,openvino,rtx,web,mqtt,webhook,dev"


def find_python(version: str) -> str | None:
    """Return an interpreter of `version` ("3.10") that runs, or None."""
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"), reverse=True)
    for candidate in (shutil.which(f"python{version}"), sys.executable, *map(str, pyenv)):
        if candidate is None:
            continue
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        found = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        if found.stdout.strip() == version:
            return candidate
    return None


def run_tests(version: str, python: str) -> int:
    """Test the runtime under `python`; return pytest's exit code."""
    environment = ROOT / ".venvs" / version
    ready = environment / ".ready"
    pins = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
    if not ready.exists() or any(pin.stat().st_mtime > ready.stat().st_mtime for pin in pins):
        subprocess.run([python, "-m", "venv", str(environment)], check=True)
        install = [environment / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "-c", "constraints.txt", "-e", f".[{EXTRAS}]"], cwd=ROOT, check=True)
        ready.touch()
    command = [environment / "bin" / "python", "-m", "pytest", "-q", *TESTS]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def main() -> int:
    """Run the tests under each version there is; 1 where there is none."""
    results: dict[str, int] = {}
    for version in VERSIONS:
        python = find_python(version)
        if python is None:
            print(f"Python {version}: not found on this machine, not tested")
            continue
        print(f"Python {version}: {python}", flush=True)
        results[version] = run_tests(version, python)
    for version, status in results.items():
        print(f"Python {version}: {'passed' if status == 0 else f'failed with status {status}'}")
    return max(results.values(), default=1)


if __name__ == "__main__":
    sys.exit(main())
