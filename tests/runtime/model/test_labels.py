from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.model.labels import kinetics400, read_labels


def test_kinetics_has_400_classes_in_alphabetical_order() -> None:
    labels = kinetics400()
    assert len(set(labels)) == 400
    assert labels[5] == "archery"
    assert (labels[0], labels[399]) == ("abseiling", "zumba")
    assert list(labels) == sorted(labels, key=str.lower)


@pytest.mark.parametrize(
    "text", ["running\nlong jump\n", "0 running\n1 long jump", "\ufeffrunning\n\n long jump \n"]
)
def test_both_formats_give_the_names(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == ("running", "long jump")


def test_names_that_begin_with_a_number_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("100 m sprint\n400 m hurdles\n")
    assert read_labels(path) == ("100 m sprint", "400 m hurdles")


@pytest.mark.parametrize(
    ("content", "cause"),
    [(b"", "holds no class names"), (b"a\nb\na\n", "'a' more than once"), (b"\xff\xfe\x00", "no UTF-8 text")],
)
def test_unusable_files_are_named(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"labels\.txt: .*{cause}"):
        read_labels(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_labels(tmp_path / "none.txt")
