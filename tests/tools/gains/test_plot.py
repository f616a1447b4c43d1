from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from pptsn.benchmarks.measure.documents import write_report
from pptsn.runtime.base.errors import InputError
from tests.benchmarks.reports.fabricated import gains, live, report
from tools.gains.plot import chart_of, draw, plot


def test_a_rung_of_a_ladder_is_called_by_its_name() -> None:
    drawn = draw(chart_of(report([*live(), *gains()])))
    from matplotlib.text import Text  # after what tells Matplotlib where it may write

    assert "windows, per-frame reuse" in [found.get_text() for found in drawn.findobj(Text)]


def test_the_plot_is_written_as_a_picture(tmp_path: Path) -> None:
    write_report(report(gains()), tmp_path / "r.json")
    plot(tmp_path / "r.json", tmp_path / "g.png")
    assert cv2.imread(str(tmp_path / "g.png")).shape[1] == 1024


def test_a_report_without_gains_is_refused(tmp_path: Path) -> None:
    write_report(report(live()), tmp_path / "r.json")
    with pytest.raises(InputError, match="has no gains"):
        plot(tmp_path / "r.json", tmp_path / "g.png")
