from __future__ import annotations

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.training.profiling.window import Window
from pptsn.training.progress import Display


def test_first_is_in_it_and_end_is_not() -> None:
    assert Window.parse("10:20") == Window(10, 20)
    assert Window.parse(" 0:1 ") == Window(0, 1)
    assert str(Window(3, 4)) == "3:4"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        *(
            (text, "expected FIRST:END")
            for text in ("", "10", "10:", ":20", "a:b", "-1:3", "1:2:3", "1.5:2", "1-2")
        ),
        ("٣:٤", "expected FIRST:END"),
        ("1234567890:1234567891", "expected FIRST:END"),
        ("20:10", "is 20:10, which holds no step"),
        ("10:10", "is 10:10, which holds no step"),
        ("0:101", "is 0:101, which are 101 steps, more than 100"),
    ],
)
def test_what_means_no_steps_is_one_line(text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        Window.parse(text)
    assert str(caught.value).startswith("--profile: ")
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("done", "left"),
    [
        (0, Window(10, 20)),
        (10, Window(10, 20)),
        (11, Window(11, 20)),
        (19, Window(19, 20)),
        (20, None),
        (25, None),
    ],
)
def test_a_run_that_goes_on_has_what_is_left_of_it(done: int, left: Window | None) -> None:
    assert Window(10, 20).left(done=done, total=30, display=Display()) == left


@pytest.mark.parametrize(("total", "fits"), [(0, False), (10, False), (19, False), (20, True)])
def test_it_ends_with_the_training_at_the_latest(total: int, fits: bool) -> None:
    if fits:
        assert Window(10, 20).left(done=0, total=total, display=Display()) == Window(10, 20)
        return
    with pytest.raises(
        UsageError, match=rf"^--profile: is 10:20, and the training ends with step {total - 1}; .* {total} "
    ):
        Window(10, 20).left(done=0, total=total, display=Display())
