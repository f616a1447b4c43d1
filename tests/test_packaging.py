"""What is installed: from an editable install, and from a wheel that was built from the source distribution."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.clips import write_clip
from tests.models import write_tiny_model

ROOT = Path(__file__).parent.parent
# Files of a user's own, called like the folders of the project.
USERS_FILES = ("runtime.py", "training.py", "convert.py", "benchmarks.py", "tools.py", "tests.py")

# Not for wheels: tests and this site are of a checkout, and Paddle for GPUs is on an index of its own.
UNLOCKED = {"dev", "docs", "train-gpu"}


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


@pytest.mark.slow
def test_files_of_a_user_called_like_our_folders_do_no_harm(python: Path, users_folder: Path) -> None:
    call(python, "-c", "from pptsn import Recognizer", cwd=users_folder)
    said = call(python, "-m", "pptsn", "--version", cwd=users_folder)
    assert said.startswith("pptsn ")
    assert call(python.with_name("pptsn"), "--version", cwd=users_folder) == said


@pytest.mark.slow
def test_the_installed_one_is_what_runs(python: Path, sources: Path, users_folder: Path) -> None:
    where = Path(call(python, "-c", "import pptsn; print(pptsn.__file__)", cwd=users_folder).strip())
    assert where.is_relative_to(sources) or where.is_relative_to(python.parents[1])


@pytest.mark.slow
def test_nothing_but_the_package_and_its_script_is_installed(python: Path, users_folder: Path) -> None:
    shown = call(python, "-m", "pip", "show", "-f", "pptsn", cwd=users_folder)
    files = [line.strip() for line in shown.split("Files:\n")[1].splitlines()]
    ours = ("pptsn/", "pptsn-", "../../../bin/pptsn", "__editable_", "__pycache__/__editable_")
    assert files
    assert [name for name in files if not name.startswith(ours)] == []


@pytest.mark.slow
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


def pins(path: Path) -> set[str]:
    """Return the lines `name==version ; marker` of a file of pins, without hashes."""
    lines = (line.removesuffix("\\").strip() for line in path.read_text().splitlines())
    return {line for line in lines if line and not line.startswith(("--hash=", "#"))}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_each_extra_of_a_wheel_has_its_lock() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].keys()
    assert {path.stem for path in (ROOT / "locks").iterdir()} == extras - UNLOCKED
    for extra in extras - UNLOCKED:
        locked = {line.split("==")[0].lower().replace("_", "-") for line in pins(ROOT / "locks" / f"{extra}.txt")}
        for requirement in project["dependencies"] + project["optional-dependencies"][extra]:
            name = re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-")
            assert name in locked, f"{extra}: {requirement}"


@pytest.mark.parametrize("lock", sorted((ROOT / "locks").iterdir()), ids=lambda path: path.stem)
def test_a_lock_has_the_versions_of_the_constraints_and_a_hash_for_each(lock: Path) -> None:
    constraints = {line.split(" ;")[0] for line in pins(ROOT / "constraints.txt")}
    assert {line.split(" ;")[0] for line in pins(lock)} <= constraints
    text = lock.read_text().replace("\\\n", " ")
    assert [line for line in text.splitlines() if line and "--hash=sha256:" not in line] == []


@pytest.mark.slow
def test_a_wheel_and_what_it_needs_install_by_their_hashes(wheel: Path, tmp_path: Path) -> None:
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    locks = [
        part for extra in ("cpu", "web", "mqtt", "webhook") for part in ("-r", ROOT / "locks" / f"{extra}.txt")
    ]
    call(*install, "--require-hashes", *locks, cwd=tmp_path)
    call(*install, "--no-deps", wheel, cwd=tmp_path)
    call(python, "-m", "pip", "check", cwd=tmp_path)
    clip, model = write_clip(tmp_path / "clip.mp4"), write_tiny_model(tmp_path / "model.onnx")
    said = call(python.with_name("pptsn"), "classify", clip, "--model", model, cwd=tmp_path)
    assert said.count(str(clip)) == 4
