"""The files behind `@list`, in the forms that they may have, and all that is none of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.source_lists import list_entries


def entries(folder: Path, text: str, suffix: str = ".yaml") -> list[str]:
    path = folder / f"cameras{suffix}"
    path.write_text(text)
    return [entry for _, entry in list_entries(path)]


LISTS = [
    "- a.mp4\n- b.mp4\n",
    "---\n# all\n- rtsp://u:p@h/1  # the door\n\n- 'it''s'\n- \"0\"\n",
    "  - a\n  - b\n...\n",
    "--- # first\n- a b  c.mp4\n- x#y\n",
    '- "*.mp4"\n- "@more.txt"\n- "-"\n- "a: b"\n- \'{x}\'\n',
    "- a,b]\n- x{y}\n- -x\n- ?x\n- :x\n- a&b*c!d\n- ${CAM}\n- http://h/a?b=c:d#e\n",
    '["a.mp4", "rtsp://u:p@h/1"]',
    '# one\n["a",\n "b"]\n',
]
NO_LISTS = [
    "- {a: rtsp://u:sesame@h}\n",
    "- {rtsp://u:sesame@h}\n",
    "- [rtsp://u:sesame@h]\n",
    "- &x rtsp://u:sesame@h\n",
    "- *x\n",
    "- !tag rtsp://u:sesame@h\n",
    "- !!str rtsp://u:sesame@h\n",
    "- |\n  rtsp://u:sesame@h\n",
    "- >-\n  rtsp://u:sesame@h\n",
    "- - rtsp://u:sesame@h\n",
    "- ? rtsp://u:sesame@h\n",
    "- address: rtsp://u:sesame@h\n",
    "- <<: *sesame\n",
    "- sesame:\n",
    "- a\n  sesame\n",
    "- a\n  - sesame\n",
    "  - a\n- sesame\n",
    "- a\n---\n- sesame\n",
    "---\n- a\n---\n- sesame\n",
    "- a\n...\n- sesame\n",
    "%YAML 1.2\n---\n- sesame\n",
    "cameras:\n- sesame\n",
    "sesame\n",
    '- "sesame\n',
    "- 'sesame' b\n",
    '- "ses\\x61me"\n',
    "- @sesame\n",
    "- `sesame\n",
    "- %sesame\n",
    "-\n",
    "- ~\n",
    "- null # sesame\n",
    "[sesame, b]\n",
    '["sesame", 1]\n',
    '["sesame", ["b"]]\n',
    '["sesame", ""]\n',
    '["sesame", "a\\nb"]\n',
    "[" * 100_000,
    "",
    "# nothing\n",
    "---\n...\n",
]


@pytest.mark.parametrize("text", LISTS)
def test_a_list_is_what_yaml_takes_it_for(tmp_path: Path, text: str) -> None:
    assert entries(tmp_path, text) == yaml.safe_load(text)


@pytest.mark.parametrize("text", NO_LISTS, ids=lambda text: repr(text[:30]))
@pytest.mark.parametrize("suffix", [".yaml", ".YML"])
def test_what_else_yaml_knows_is_refused_in_one_line_that_shows_nothing_of_it(
    tmp_path: Path, text: str, suffix: str
) -> None:
    with pytest.raises(InputError) as refused:
        entries(tmp_path, text, suffix)
    line = str(refused.value)
    assert line.startswith(f"@{tmp_path}/cameras{suffix}")
    assert "sesame" not in line
    assert "; expected " in line


def test_a_list_of_json_is_read_as_such(tmp_path: Path) -> None:
    items = ["rtsp://u:p@h/1", "it's", 'a "b"', "ü", "#x", "- y"]
    for indent in (None, 2):
        assert entries(tmp_path, json.dumps(items, indent=indent), ".json") == items


@pytest.mark.parametrize(
    "text", ['{"a": "sesame"}', '"sesame"', "sesame", "[sesame]", '["sesame"', "1", "- a\n", "[]"]
)
def test_other_json_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        InputError, match=r"cameras\.json: (is no list of JSON|the list names no source); expected"
    ) as no:
        entries(tmp_path, text, ".json")
    assert "sesame" not in str(no.value)


def test_an_item_of_yaml_in_a_plain_list_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":2: is an item of YAML; call the list \.yaml") as refused:
        entries(tmp_path, "a.mp4\n- rtsp://u:sesame@h\n", ".txt")
    assert "sesame" not in str(refused.value)
    (tmp_path / "- b.mp4").touch()
    assert entries(tmp_path, "a.mp4\n- b.mp4\n-c.mp4\n", ".txt") == ["a.mp4", "- b.mp4", "-c.mp4"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cameras.txt", b"# none yet\n", "names no source; expected one source a line"),
        ("cameras.yaml", b"---\n", "names no source; expected lines of the form - SOURCE"),
        ("cameras.json", b"[]", 'names no source; expected ["SOURCE", "SOURCE"]'),
        ("cameras.json", b"\xff", 'cannot be read (is no UTF-8 text); expected ["SOURCE", "SOURCE"]'),
        ("cameras.txt", None, "cannot be read (No such file or directory); check the path"),
    ],
)
def test_what_is_expected_of_a_list_is_told_by_its_kind(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(said)):
        list_entries(path)
