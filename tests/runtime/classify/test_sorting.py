"""`classify --sort` and `--below`: the answers to doubt come first, or alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.results import Classification, Failure, is_doubtful
from pptsn.runtime.recognizer import Recognizer
from tests.models import LABELS, write_tiny_model
from tests.runtime.classify.test_results import classification
from tests.runtime.classify.test_resuming import answers

# Of each source its logits; b leads by the least and has not the least score, d fails.
LOGITS = {
    "a.mp4": (3, 0, 0, 0),
    "b.mp4": (2.2, 1.9, 0, 0),
    "c.mp4": (1, 0, 0, 0),
    "d.mp4": None,
    "e.mp4": (2, 0, 0, 0),
}
BY_SCORE, BY_MARGIN = "cbead", "bcead"


def result_of(source: str) -> Classification | Failure:
    logits = LOGITS[source]
    if logits is None:
        return Failure(source, InputError(source, "is empty"))
    return classification(source=source, logits=np.float32(logits), labels=LABELS)


@pytest.fixture
def classify(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # type: ignore[no-untyped-def]
    """`classify` of sources whose answers are given."""
    model = write_tiny_model(tmp_path / "m.onnx")
    monkeypatch.setattr(Recognizer, "classify_by", lambda _, __, sources, **___: map(result_of, sources))
    return lambda *more: run("classify", *LOGITS, "--model", model, *more)


def names(rows: list[dict[str, Any]]) -> str:
    return "".join(row["source"][0] for row in rows)


@pytest.mark.parametrize(("sort", "order"), [("score", BY_SCORE), ("margin", BY_MARGIN)])
def test_doubtful_answers_come_first_and_failures_last(classify, tmp_path: Path, sort: str, order: str) -> None:
    files = [tmp_path / name for name in ("o.jsonl", "o.csv", "o.json")]
    outputs = [part for path in files for part in ("-o", path)]
    ended = classify("--sort", sort, "--top", "1", *outputs)
    assert ended.code == 1
    assert [line[0] for line in ended.out.splitlines()[1:]] == list(order[:4])
    assert [names(answers(path)) for path in files] == [order] * 3
    printed = classify("--sort", sort, "-o", "-")
    assert names([json.loads(line) for line in printed.out.splitlines()]) == order


def test_without_it_sources_keep_their_order(classify) -> None:
    assert [line[0] for line in classify("--top", "1").out.splitlines()[1:]] == list("abce")


def test_a_run_that_goes_on_sorts_what_there_was_as_well(classify, tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    classify("-o", path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    classify("-o", path, "--resume", "--sort", "margin")
    assert names(answers(path)) == BY_MARGIN


@pytest.mark.parametrize("ends", [KeyboardInterrupt, RuntimeError])
def test_what_ends_a_run_leaves_it_sorted(
    classify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: type[BaseException]
) -> None:
    def some(_: object, __: object, sources: list[str], **___: object) -> Any:
        yield from map(result_of, sources[:3])
        raise ends

    monkeypatch.setattr(Recognizer, "classify_by", some)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "o.csv"
    ended = classify("-o", path, "--sort", "score", "--top", "1")
    assert ended.code not in (0, 1)
    assert names(answers(path)) == "cba"
    assert [line[0] for line in ended.out.splitlines()[1:]] == list("cba")


@pytest.mark.parametrize(
    ("below", "kept"), [("0", ""), ("0.48", "c"), ("0.6", "bc"), ("0.75", "bce"), ("1", "abce")]
)
def test_answers_below_a_score_are_shown_alone_with_the_failures(
    classify, tmp_path: Path, below: str, kept: str
) -> None:
    path = tmp_path / "o.csv"
    ended = classify("--below", below, "-o", path, "--top", "1")
    assert [line[0] for line in ended.out.splitlines()[1:]] == list(kept)
    assert names(answers(path)) == "".join(sorted(kept + "d"))
    assert f"; {len(kept)} below {float(below):g}; in " in ended.err
    assert "pptsn: 4 of 5 sources answered; 1 failed; " in ended.err


def test_the_score_itself_is_not_below(classify) -> None:
    answer = classification()
    score = answer.top(1)[0].score
    assert [is_doubtful(answer, below) for below in (score, score + 1e-6, None)] == [False, True, True]


@pytest.mark.parametrize(
    "option", [("--below", "1.5"), ("--below", "-1"), ("--below", "nan"), ("--sort", "label")]
)
def test_what_makes_no_sense_is_refused(classify, option: tuple[str, str]) -> None:
    assert classify(*option).code == 2
