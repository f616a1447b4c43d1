"""A shell that completes is given commands and options, and no messages."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


def pptsn(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pptsn", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("pptsn cla", ["classify"]),
        ("pptsn bench sta", ["stages"]),
        ("pptsn -q classify --backe", ["--backend"]),
        ("pptsn predict cla", ["classify"]),
        ("pptsn nothing --m", []),
    ],
)
def test_what_was_begun_is_completed_without_a_word(line: str, completed: list[str]) -> None:
    words = str(len(line.split(" ")) - 1)
    ended = pptsn(_PPTSN_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=words)
    assert (ended.stdout.split(), ended.stderr, ended.returncode) == (completed, "", 0)


def test_bash_has_it_from_its_next_start_on(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("alias mine=true\n")

    def bash(*arguments: str) -> subprocess.CompletedProcess[str]:
        home = os.environ | {"HOME": str(tmp_path)}
        return subprocess.run(["bash", *arguments], capture_output=True, text=True, check=False, env=home)

    ended = bash("-c", f"{shlex.quote(sys.executable)} -m pptsn --install-completion; exit $?")
    assert ended.returncode == 0, ended.stderr
    asked = bash("-ic", "complete -p pptsn; alias mine")
    assert "_pptsn_completion pptsn" in asked.stdout
    assert "mine=" in asked.stdout
