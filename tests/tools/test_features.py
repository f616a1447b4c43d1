from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, VerificationError
from tests.clips import write_clip
from tests.convert.precision_models import write_residual_model
from tools import features
from tools.features import LinearClassifier, Seen, main, neighbours


def test_the_nearest_is_that_of_the_smallest_angle_and_not_itself() -> None:
    rows = np.array([[1, 0], [9, 1], [0, 1], [0.1, 2]], np.float32)
    np.testing.assert_array_equal(neighbours(rows), [1, 0, 3, 2])
    np.testing.assert_array_equal(neighbours(rows * np.array([[5], [0.1], [2], [1]], np.float32)), [1, 0, 3, 2])


def test_a_linear_classifier_tells_what_a_line_tells_apart() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    centres = np.array([[5, 0, 1], [0, 5, 1], [5, 5, 1]], np.float32)
    rows = (centres[labels] + rng.normal(0, 0.5, (300, 3))).astype(np.float32)
    fitted = LinearClassifier.fitted(rows[:200], labels[:200], classes=3)
    assert (fitted.answers(rows[200:]) == labels[200:]).mean() > 0.98
    shuffled = LinearClassifier.fitted(rows[:200], rng.permutation(labels[:200]), classes=3)
    assert (shuffled.answers(rows[200:]) == labels[200:]).mean() < 0.8


@pytest.fixture
def lists(tmp_path: Path) -> list[Path]:
    """Lists of four and six clips, of two classes."""
    names = []
    for name, count in (("train", 4), ("test", 6)):
        lines = [
            f"{write_clip(tmp_path / f'{name}{number}.mp4', frames=4 + number).name} {number % 2}"
            for number in range(count)
        ]
        names.append(tmp_path / f"{name}.txt")
        names[-1].write_text("\n".join(lines) + "\n")
    return names


def test_a_model_has_its_own_neighbours_by_another_name(
    tmp_path: Path, lists: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_residual_model(tmp_path / "m.onnx")
    again = write_residual_model(tmp_path / "again.onnx")
    monkeypatch.setattr(features, "POINTS_LOST", 100)
    main([model, again], *lists, backend=["onnxruntime"], clips=5, segments=2)
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("a linear classifier on 16 features of 4 clips: ")
    assert told[1] == "again.onnx by onnxruntime: 100.0% of 5 clips have the same nearest neighbour"


def test_other_neighbours_and_a_classifier_that_loses_fail(
    tmp_path: Path, lists: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(np.random.default_rng(0).normal(size=(3, 6, 4)).astype(np.float32))
    labels = np.array([0, 1, 0, 1, 0, 1])
    monkeypatch.setattr(features, "seen", lambda *_, **__: Seen(next(drawn), labels, labels))
    model = write_residual_model(tmp_path / "m.onnx")
    expected = "a linear classifier loses too much; m.onnx by onnxruntime gives other neighbours"
    with pytest.raises(VerificationError, match=expected):
        main([model, model], *lists, backend=["onnxruntime"], clips=6)


def test_a_clip_that_cannot_be_read_ends_it(tmp_path: Path, lists: list[Path]) -> None:
    (tmp_path / "test3.mp4").write_bytes(b"none")
    with pytest.raises(InputError, match=r"test3\.mp4"):
        main([write_residual_model(tmp_path / "m.onnx")], *lists, backend=["onnxruntime"], segments=2)
