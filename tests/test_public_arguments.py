"""What a program passes by mistake to any public name is told in a line, as an error of ours."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pptsn
from pptsn.runtime.base.errors import ClosedError, PptsnError, UsageError
from tests.models import write_tiny_model

CLIP = np.zeros((4, 40, 40, 3), np.uint8)
# None of them is what any of the arguments below takes.
NEVER: tuple[Any, ...] = (b"x", np.zeros(3), object(), {}, [None], float("nan"), 1.5j)
NO_TEXT = (*NEVER, None, 1, 1.5, True, Path("x"))
NO_NUMBER = (*NEVER, "", "a", "1", "a\nb", Path("x"), (x for x in ()))
NO_WHOLE = (*NO_NUMBER, 1.5, np.float32(1), True, -1)
NO_FLAG = (*NEVER, None, "", "false", 2, -1, 1.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    write_tiny_model(path)
    return path


@pytest.fixture(scope="module")
def recognizer(model: Path) -> Iterator[pptsn.Recognizer]:
    with pptsn.Recognizer.open(model, backend="onnxruntime") as recognizer:
        yield recognizer


def refused(call: Callable[[Any], object], values: tuple[Any, ...]) -> None:
    for value in values:
        try:
            call(value)
        except PptsnError as raised:
            error = raised
        else:
            pytest.fail(f"took {value!r}")
        assert "\n" not in str(error)
        assert len(str(error)) < 300, value


def test_opening(model: Path) -> None:
    for opened in (pptsn.Recognizer.open, pptsn.open_engine):
        refused(opened, (*NEVER, None, 1, "a\0b"))
        for name in ("backend", "device", "tuning"):
            refused(lambda value, name=name, opened=opened: opened(model, **{name: value}), NO_TEXT)
        for name in ("threads", "crops"):
            refused(lambda value, name=name, opened=opened: opened(model, **{name: value}), NO_WHOLE)
        refused(lambda value, opened=opened: opened(model, threads=value), (0, 10**30))
    refused(pptsn.parse_source, NO_TEXT)


def test_classifying(recognizer: pptsn.Recognizer) -> None:
    refused(recognizer.classify, (*NEVER, None, 1))
    for name, values in (
        ("segments", NO_WHOLE),
        ("views", tuple(value for value in NO_TEXT if value is not None)),
        ("sampling", tuple(value for value in NO_TEXT if value is not None)),
        ("bgr", NO_FLAG),
        ("accept_damaged", NO_FLAG),
        ("evidence", NO_FLAG),
    ):
        refused(lambda value, name=name: recognizer.classify(CLIP, **{name: value}), values)
    refused(lambda value: recognizer.classify_many(value), (None, 1, np.float32(1), "a", b"a", object()))
    refused(lambda value: recognizer.classify_many([], decoders=value), NO_WHOLE)
    refused(lambda value: pptsn.Recognizer(recognizer._engine, batch_size=value), NO_WHOLE)
    refused(lambda value: pptsn.Frames(CLIP, name=value), NO_TEXT)
    refused(lambda value: pptsn.Frames(CLIP, bgr=value), NO_FLAG)


def test_labels(recognizer: pptsn.Recognizer) -> None:
    for label in NO_WHOLE:
        (result,) = recognizer.classify_many([pptsn.Labelled(CLIP, label)], segments=1, views="center")
        assert isinstance(result, pptsn.Failure), label
        assert "label" in str(result.error)


def test_answers(recognizer: pptsn.Recognizer) -> None:
    answer = recognizer.classify(CLIP, segments=1, views="center", evidence=True)
    refused(answer.top, NO_WHOLE)
    refused(lambda value: answer.to_dict(top=value), NO_WHOLE)
    refused(answer.evidence, (*NO_WHOLE, 10**30))
    assert answer.top(np.int64(2)) == answer.top(2)  # type: ignore[arg-type]
    assert answer.top(10**30) == answer.top()


def test_streams(recognizer: pptsn.Recognizer) -> None:
    for name in ("window_s", "every_s", "smoothing_s", "max_gap_s", "fps"):
        refused(lambda value, name=name: recognizer.stream(**{name: value}), (*NO_NUMBER, -1))
    refused(lambda value: recognizer.stream(segments=value), NO_WHOLE)
    refused(lambda value: recognizer.stream(name=value), NO_TEXT)
    refused(lambda value: recognizer.stream(bgr=value), NO_FLAG)
    refused(lambda value: pptsn.StreamSettings(queue_frames=value), NO_WHOLE)
    refused(lambda value: pptsn.StreamSettings(policy=value), tuple(each for each in NO_TEXT if each is not None))
    refused(lambda value: list(recognizer.stream().predictions(CLIP, value)), (1, object(), np.float32(1)))
    for taken in (np.float32(0.5), np.int64(1), 1):
        recognizer.stream(window_s=taken, fps=taken).close()  # type: ignore[arg-type]


def test_what_is_closed(model: Path) -> None:
    recognizer = pptsn.Recognizer.open(model, backend="onnxruntime")
    stream, over = recognizer.stream(), recognizer.stream()
    over.close()
    recognizer.close()
    recognizer.close()
    calls: tuple[Callable[[], object], ...] = (
        lambda: recognizer.classify(CLIP),
        lambda: list(recognizer.classify_many([CLIP])),
        lambda: stream.push(CLIP[0], 0.0),
        lambda: over.push(CLIP[0], 0.0),
    )
    for call in calls:
        with pytest.raises(UsageError, match=r" is closed; \w+") as error:
            call()
        assert isinstance(error.value, ValueError)
        again = pickle.loads(pickle.dumps(error.value))
        assert (type(again), str(again)) == (ClosedError, str(error.value))
