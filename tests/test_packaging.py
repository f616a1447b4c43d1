"""What is installed: from an editable install, and from a wheel that was built from the source distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Files of a user's own, called like the folders of the project.
USERS_FILES = ("runtime.py", "training.py", "convert.py", "benchmarks.py", "tools.py", "tests.py")

pytestmark = pytest.mark.slow


def call(*command: object, cwd: Path, **variables: str) -> str:
    """Run a command that has to succeed; return its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    run = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def packages() -> str:
    """Return the folder of this environment's packages."""
    return sysconfig.get_paths()["purelib"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks or would track, with its links."""
    names = call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    folder = tmp_path_factory.mktemp("sources")
    for name in filter(None, names):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the source distribution, not of the checkout."""
    folder = tmp_path_factory.mktemp("built")
    hook = "import setuptools.build_meta as hooks, sys; print(hooks.build_{}(sys.argv[1]))"
    call(sys.executable, "-c", hook.format("sdist"), folder, cwd=sources)
    (archive,) = folder.glob("*.tar.gz")
    call("tar", "-xzf", archive, cwd=folder)
    unpacked = folder / archive.name.removesuffix(".tar.gz")
    call(sys.executable, "-c", hook.format("wheel"), folder, cwd=unpacked)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=["editable", "wheel"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with pptsn in it; its dependencies are this environment's."""
    environment = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", environment, cwd=environment)
    interpreter = environment / "bin" / "python"
    install = [interpreter, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check"]
    if request.param == "wheel":
        call(*install, request.getfixturevalue("wheel"), cwd=environment)
    else:
        folder = request.getfixturevalue("sources")
        call(*install, "--no-build-isolation", "-e", folder, cwd=environment, PYTHONPATH=packages())
    # Behind its own packages: an editable pptsn of this environment brings a module of the same name as its own.
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "dependencies.pth").write_text(f"{packages()}\n")
    return interpreter


@pytest.fixture
def users_folder(tmp_path: Path) -> Path:
    for name in USERS_FILES:
        (tmp_path / name).write_text("raise SystemExit('a file of the user was imported')\n")
    return tmp_path


def test_files_of_a_user_called_like_our_folders_do_no_harm(python: Path, users_folder: Path) -> None:
    call(python, "-c", "from pptsn import Recognizer", cwd=users_folder)
    said = call(python, "-m", "pptsn", "--version", cwd=users_folder)
    assert said.startswith("pptsn ")
    assert call(python.with_name("pptsn"), "--version", cwd=users_folder) == said


def test_the_installed_one_is_what_runs(python: Path, sources: Path, users_folder: Path) -> None:
    where = Path(call(python, "-c", "import pptsn; print(pptsn.__file__)", cwd=users_folder).strip())
    assert where.is_relative_to(sources) or where.is_relative_to(python.parents[1])


def test_nothing_but_the_package_and_its_script_is_installed(python: Path, users_folder: Path) -> None:
    shown = call(python, "-m", "pip", "show", "-f", "pptsn", cwd=users_folder)
    files = [line.strip() for line in shown.split("Files:\n")[1].splitlines()]
    ours = ("pptsn/", "pptsn-", "../../../bin/pptsn", "__editable_", "__pycache__/__editable_")
    assert files
    assert [name for name in files if not name.startswith(ours)] == []


def test_the_wheel_holds_every_file_of_the_product(wheel: Path, sources: Path) -> None:
    built = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("pptsn/")}
    folders = {"pptsn": "", "runtime": "pptsn/", "training": "pptsn/", "convert": "pptsn/", "benchmarks": "pptsn/"}
    tracked = {
        f"{prefix}{path.relative_to(sources)}"
        for folder, prefix in folders.items()
        for path in (sources / folder).rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc"
    }
    recipes = {f"pptsn/configs/{path.name}" for path in (sources / "configs").glob("*.yaml")}
    assert built - recipes == tracked
