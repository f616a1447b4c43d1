"""README and docs say what is so: commands, options, extras, links, code."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pptsn
from tests.docs.markdown import ROOT, anchors, blocks, commands, links, pages
from tools.docs.commands import all_commands, commands_as_markdown, options
from tools.docs.kinds import backends_as_markdown, outputs_as_markdown, sources_as_markdown

PAGES = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in pages()}
TROUBLES = PAGES["docs/troubleshooting.md"]
COMMANDS = dict(all_commands())
# What the program itself shows, as examples in its help.
SHOWN = PAGES | {"--help": commands_as_markdown()}


def problem_of(arguments: str) -> str:
    """Return what is wrong with a call of pptsn, or ""."""
    words = re.sub(r"(?<!\S)\[|\](?=\s|$|\.)", " ", arguments).split()
    name, flags = "pptsn", options(COMMANDS["pptsn"])
    while words and (words[0] in flags or f"{name} {words[0]}" in COMMANDS):
        word = words.pop(0)
        if word not in flags:
            name = f"{name} {word}"
            flags = flags | options(COMMANDS[name])
    is_group = any(other.startswith(f"{name} ") for other in COMMANDS)
    if is_group and words and re.match(r"[a-z]", words[0]) and "|" not in words[0]:
        return f"{name} has no command {words[0]}"
    asked = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    unknown = [flag for flag in asked if flag not in flags and flag != "--help"]
    return f"{name} has no option {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("classify x.mp4 --model m.onnx -o x.jsonl", ""),
        ("--quiet convert onnx x [--no-mirror]", ""),
        ("classify x.mp4 --modell m.onnx", "pptsn classify has no option --modell"),
        ("bench gains x.mp4", "pptsn bench has no command gains"),
        ("predict x.mp4", "pptsn has no command predict"),
    ],
)
def test_what_is_wrong_with_a_command_is_found(arguments: str, problem: str) -> None:
    assert problem_of(arguments) == problem


@pytest.mark.parametrize("page", SHOWN)
def test_every_command_exists_with_its_options(page: str) -> None:
    problems = {f"pptsn {line}": problem_of(line) for line in commands(SHOWN[page], "pptsn")}
    assert {line: problem for line, problem in problems.items() if problem} == {}


def test_commands_are_found_at_all() -> None:
    shown = {page: len(list(commands(text, "pptsn"))) for page, text in SHOWN.items()}
    assert shown["README.md"] >= 5
    assert shown["--help"] >= 15
    assert sum(shown.values()) >= 60


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists_with_its_variables(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z0-9_]+) \?=", makefile, re.MULTILINE))
    for line in commands(PAGES[page], "make"):
        words = line.split("'")[0].split()
        named = {word.partition("=")[0] for word in words if re.match(r"[A-Z0-9_]+=", word)}
        assert named <= variables, line
        assert words[0] in targets or not re.fullmatch(r"[a-z-]+", words[0]), line


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page: str) -> None:
    here = ROOT / page
    for path, anchor in links(PAGES[page]):
        target = (here.parent / path).resolve() if path else here
        assert target.exists(), path
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{path}#{anchor}"


def test_pages_link_only_to_what_the_site_has() -> None:
    docs = ROOT / "docs"
    outside = [
        f"{page}: {path}"
        for page, text in PAGES.items()
        if page != "README.md"
        for path, _ in links(text)
        if not ((ROOT / page).parent / path).resolve().is_relative_to(docs.resolve())
    ]
    assert outside == []


def test_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 10_000


@pytest.mark.parametrize("page", SHOWN)
def test_extras_exist(page: str) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    section = project.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    known = set(re.findall(r"^([a-z-]+) = \[", section, re.MULTILINE))
    named = re.findall(r"(?:pptsn|\.whl|\.)\[([a-z,-]+)\]|EXTRAS=([a-z,-]+)", SHOWN[page])
    extras = {extra for pair in named for text in pair for extra in text.split(",") if extra}
    assert extras <= known
    if page == "docs/install.md":
        table = PAGES[page].partition("## Extras")[2].partition("\n\n`pptsn doctor`")[0]
        described = {
            name for cell in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall("`(.*?)`", cell)
        }
        assert described == known


@pytest.mark.parametrize("page", PAGES)
def test_python_is_python_and_its_names_are_public(page: str) -> None:
    for block in blocks(PAGES[page]):
        if block.language == "python":
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and node.module == "pptsn":
                    assert {alias.name for alias in node.names} <= set(pptsn.__all__)


@pytest.mark.parametrize("page", PAGES)
def test_modules_that_are_run_exist(page: str) -> None:
    for module in re.findall(r"python -m (tools[\w.]*)", PAGES[page]):
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"docs/log.md"}))  # which tells of what was
def test_paths_of_the_repository_exist(page: str) -> None:
    folders = "runtime|training|convert|benchmarks|pptsn|tools|tests|configs|docker|docs|examples"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", PAGES[page])
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_public_name_is_described() -> None:
    described = re.findall(r"^::: pptsn\.(\w+)$", PAGES["docs/python.md"], re.MULTILINE)
    assert sorted(described) == sorted(pptsn.__all__)


def test_every_command_is_described() -> None:
    headings = re.findall(r"^##+ (pptsn.*)$", SHOWN["--help"], re.MULTILINE)
    assert headings == list(COMMANDS)
    assert "| `--calibration` TEXT |" in SHOWN["--help"]


def test_the_recipe_shown_is_one() -> None:
    yaml = pytest.importorskip("yaml")
    from pptsn.training.recipe import parse_recipe

    (recipe,) = (block.text for block in blocks(PAGES["docs/training.md"]) if block.language == "yaml")
    assert parse_recipe(yaml.safe_load(recipe), source="docs/training.md").model.depth == 50


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    (unit,) = (block.text for block in blocks(PAGES["docs/install.md"]) if block.language == "ini")
    for line in ("[Unit]", "[Install]", "User=pptsn", "RestartPreventExitStatus=2 3"):
        assert line in unit.splitlines()
    (call,) = re.findall(r"^ExecStart=/opt/pptsn/.venv/bin/pptsn (.*)$", unit, re.MULTILINE)
    assert problem_of(call) == ""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    path = tmp_path / "pptsn.service"
    # What is run has to exist: here this interpreter stands for the program.
    path.write_text(unit.replace("/opt/pptsn/.venv/bin/pptsn", str(Path(sys.executable).resolve())))
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.slow
def test_the_site_is_built_and_asks_no_other_host_for_anything(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout + run.stderr) == (0, "")
    for page in tmp_path.rglob("*.html"):
        foreign = re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"?(?:https?:)?//[^>]*>", page.read_text())
        assert foreign == [], page
    assert "pptsn convert int8" in (tmp_path / "commands.html").read_text()
    # An attribute that a docstring explains begins a line.
    assert (
        "help: what it is, in a few words.<br>\noptions: the dataclass" in (tmp_path / "plugins.html").read_text()
    )


def test_the_messages_of_troubleshooting_are_the_programs_own() -> None:
    said = "\n".join(_texts())
    rows = re.findall(r"^\| (.*?) \| ", TROUBLES, re.MULTILINE)
    quoted = [message for row in rows for message in re.findall(r"(?<!`)`([^`]+)`(?!`)", row)]
    messages = [message for message in quoted if " " in message]
    assert len(messages) > 40
    pieces = {piece.strip(" ():,;") for message in messages for piece in message.split("…")}
    assert {piece for piece in pieces if piece not in said} == set()


def test_every_package_that_a_command_requires_is_in_troubleshooting() -> None:
    purposes = _required_purposes()
    assert len(purposes) >= 7
    assert {f"{text} needs it" for text in purposes if f"`{text} needs it`" not in TROUBLES} == set()


def _texts() -> list[str]:
    """Return every text in the product's sources, and the messages that `require` makes of one."""
    constants = (node.value for node in _nodes() if isinstance(node, ast.Constant))
    return [text for text in constants if isinstance(text, str)] + [
        f"{purpose} needs it" for purpose in _required_purposes()
    ]


def _required_purposes() -> set[str]:
    """Return what commands require packages for, by pptsn/cli/requirements.py."""
    calls = (node for node in _nodes() if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require")
    return {ast.literal_eval(call.args[1]) for call in calls}


def _nodes() -> Iterator[ast.AST]:
    for folder in ("runtime", "training", "convert", "benchmarks", "pptsn/cli"):
        for path in (ROOT / folder).rglob("*.py"):
            yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_the_tables_of_kinds_say_which_values_make_sense() -> None:
    assert "| `timeout` | device, rtsp, rtmp, http, gst |" in sources_as_markdown()
    assert "| 0.1 to 3600 seconds |" in sources_as_markdown()
    assert "| `qos` | mqtt |" in outputs_as_markdown()
    assert "| `tensorrt` | `.engine` |" in backends_as_markdown()
    assert "without CUDA graphs (0 or 1)" in backends_as_markdown()


def test_a_page_with_a_generated_part_says_where_else_it_stands() -> None:
    generated = [text for text in PAGES.values() if "<!-- generated:" in text or "\n::: " in text]
    assert len(generated) == 6
    for text in generated:
        assert "Read as a file" in " ".join(text.split())
