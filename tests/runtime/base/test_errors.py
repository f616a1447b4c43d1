import json
import pickle

import pytest

from pptsn.runtime.base.errors import (
    InputError,
    MissingDependencyError,
    PptsnError,
    UsageError,
    install_command,
    one_line,
    spelled,
    spelled_json,
)


def test_an_error_is_one_line_with_thing_cause_and_remedy() -> None:
    error = InputError("clip.mp4", "has no\nvideo stream", "name a video")
    assert str(error) == "clip.mp4: has no video stream; name a video"
    assert str(InputError("clip.mp4", "is empty")) == "clip.mp4: is empty"


def test_exit_codes() -> None:
    assert [kind.exit_code for kind in (PptsnError, InputError, UsageError, MissingDependencyError)] == [
        1,
        1,
        2,
        3,
    ]


def test_errors_survive_a_trip_between_processes() -> None:
    error = pickle.loads(pickle.dumps(UsageError("--views", "unknown", "choose ten")))
    assert isinstance(error, UsageError)
    assert (error.thing, error.cause, error.remedy) == ("--views", "unknown", "choose ten")


def test_install_commands_name_the_extra() -> None:
    assert install_command("gpu") == "pip install 'pptsn[gpu]'"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb\x7f", r"a\x1b[2Jb\x7f"),
        ("a\u202eb\x85", r"a\u202eb\x85"),
        ("射箭 é caf\udce9", r"射箭 é caf\xe9"),
        ("two  spaces ", "two  spaces "),
        ("", ""),
    ],
)
def test_what_would_move_the_cursor_and_what_is_no_text_is_spelled_out(text: str, shown: str) -> None:
    assert spelled(text) == shown
    assert one_line(text) == " ".join(shown.split()).replace(r"\x85", "")


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x7f", "\x9b2J", "\x85", "\u2028", "\u202e", "\U000e0001", "a\nb"])
def test_json_shows_itself_and_means_the_same(evil: str) -> None:
    text = spelled_json(json.dumps([f"射箭 {evil}"], ensure_ascii=False))
    assert text.isprintable()
    assert text.startswith('["射箭 ')
    assert json.loads(text) == [f"射箭 {evil}"]


def test_half_a_character_in_json_is_left_to_the_output() -> None:
    assert spelled_json('["\udce9"]') == '["\udce9"]'


def test_a_name_stays_in_its_line_and_a_text_becomes_one() -> None:
    assert spelled("a\nb\tc\r") == r"a\nb\tc\r"
    assert one_line("a\nb\tc\r") == "a b c"
