"""Lines that wait for nobody."""

from __future__ import annotations

import threading

from pptsn.runtime.stream.run.reporter import Reporter


def test_lines_come_in_order_and_closing_waits_for_them() -> None:
    lines: list[str] = []
    reporter = Reporter(lines.append)
    for number in range(50):
        reporter.line(str(number))
    reporter.do(lambda: lines.append("summary"))
    assert reporter.close(5)
    assert lines == [*map(str, range(50)), "summary"]


def test_a_reader_that_has_stopped_holds_nobody() -> None:
    release = threading.Event()
    reporter = Reporter(lambda line: release.wait(10) and None)
    for number in range(5000):
        reporter.line(str(number))
    assert not reporter.close(0.1)
    release.set()


def test_a_reader_that_has_gone_is_no_trouble() -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    reporter = Reporter(gone)
    reporter.line("x")
    assert reporter.close(5)
