"""How a job of ranks ended: its exit code, and whether a rank was lost."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import DONE, FAILED, LOST, TERMINATED, UNEXPECTED, UNFINISHED, USAGE
from pptsn.training.ranks.job import Outcome
from pptsn.training.ranks.logs import LAUNCHER_LOG, log_of

Endings = tuple[tuple[int, int | None], ...]
# What Paddle's launcher returns for ranks that it ended, and for one that was killed.
ENDED, CRASHED = 15, 247


def outcome(endings: Endings, launcher: int, logs: Path = Path("none"), *, count: int = 2) -> Outcome:
    return Outcome(endings, count, launcher, logs)


@pytest.mark.parametrize(
    ("endings", "launcher", "code"),
    [
        (((1, DONE), (0, DONE)), 0, DONE),
        (((1, UNFINISHED), (0, UNFINISHED)), ENDED, UNFINISHED),
        (((1, USAGE), (0, FAILED)), 2, FAILED),
        (((1, FAILED), (0, DONE)), 1, FAILED),
        (((0, UNFINISHED), (1, FAILED)), ENDED, UNFINISHED),
        (((1, UNFINISHED), (0, LOST)), ENDED, UNFINISHED),
    ],
)
def test_a_job_in_which_no_rank_is_lost_has_the_code_of_its_first_rank_that_failed(
    endings: Endings, launcher: int, code: int
) -> None:
    assert outcome(endings, launcher).code == code
    assert outcome(endings, launcher).lost == ""


@pytest.mark.parametrize(
    ("endings", "launcher", "reason"),
    [
        (((1, None), (0, LOST)), CRASHED, "rank 1 was killed, or crashed"),
        (((0, LOST), (1, None)), CRASHED, "rank 1 was killed, or crashed"),
        (((0, None), (1, UNFINISHED)), CRASHED, "rank 0 was killed, or crashed"),
        (((1, LOST), (0, LOST)), LOST, "the ranks lost their connection"),
        (((1, LOST), (0, UNFINISHED)), LOST, "the ranks lost their connection"),
        (((0, UNFINISHED), (1, UNFINISHED)), -signal.SIGKILL, "Paddle's launcher was killed (SIGKILL)"),
        ((), -signal.SIGTERM, "Paddle's launcher was killed (SIGTERM)"),
    ],
)
def test_a_rank_that_nobody_told_to_end_is_lost(endings: Endings, launcher: int, reason: str) -> None:
    assert outcome(endings, launcher).lost == reason


@pytest.mark.parametrize(
    "endings",
    [
        ((0, FAILED), (1, None)),  # the launcher kills those that do not end
        ((0, UNFINISHED), (1, None)),
        ((1, LOST), (0, FAILED)),  # as a rank that fails lets go of the others
    ],
)
def test_a_rank_that_ends_for_another_is_not_lost(endings: Endings) -> None:
    assert outcome(endings, ENDED).lost == ""


@pytest.mark.parametrize(
    ("endings", "untold"),
    [
        (((1, UNEXPECTED), (0, LOST)), "rank 1 failed; the last line of its log: pptsn: error: a fault"),
        (((1, FAILED), (0, FAILED)), ""),
        (((1, DONE), (0, DONE)), ""),
    ],
)
def test_what_rank_0_cannot_tell_as_it_was_cut_off_is_known(tmp_path: Path, endings: Endings, untold: str) -> None:
    (tmp_path / log_of(1)).write_text("pptsn: error: a fault\n")
    assert outcome(endings, ENDED, tmp_path).untold == untold


def test_the_last_line_of_a_rank_that_was_lost_is_told(tmp_path: Path) -> None:
    (tmp_path / log_of(1)).write_text("joined\nSegmentation fault\n\n")
    assert outcome(((1, None),), CRASHED, tmp_path).lost.endswith("; the last line of its log: Segmentation fault")


@pytest.mark.parametrize("others", [(), ((0, UNFINISHED),), ((1, TERMINATED),), ((0, LOST),)])
def test_a_rank_that_ended_before_it_began_is_lost_where_the_others_were_ended_for_it(
    others: Endings, tmp_path: Path
) -> None:
    (tmp_path / LAUNCHER_LOG).write_text("Exit code -9\n")
    assert outcome(others, CRASHED, tmp_path).lost == (
        "a rank ended before it began; the launcher's last line: Exit code -9"
    )


def test_one_rank_alone_and_a_launcher_that_fails_or_was_told_to_stop_are_not_lost(tmp_path: Path) -> None:
    assert outcome(((0, UNFINISHED),), CRASHED, count=1).lost == ""
    assert outcome(((1, TERMINATED),), ENDED).lost == ""  # the launcher itself was told to stop
    assert outcome((), FAILED, tmp_path).lost == ""  # it would fail again
    assert outcome(((0, USAGE),), CRASHED, tmp_path).lost == ""
