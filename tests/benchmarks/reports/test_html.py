from __future__ import annotations

import base64
import re
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from pptsn.benchmarks.measure.documents import Series
from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.reports.compare import compare
from pptsn.benchmarks.reports.html import report_html
from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.runtime.pages.html import check_html
from tests.benchmarks.reports.fabricated import ODD_NAME, live, report, results, scenario, stages

EVIL = "<script>alert(1)</script> & \"x\" 'y'"


class Reader(HTMLParser):
    """Collects a page's tags, attributes and text, and sees to it that tags are closed in order."""

    VOID = ("meta", "br", "link", "img", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page() -> str:
    """The page of a report of every section."""
    return report_html([Series(EVIL, report(warnings=[f"noisy {EVIL}"]))])


def test_the_page_asks_nothing_of_anybody(page: str) -> None:
    text = re.sub(r'"data:image/png;base64,[\w+/=]*"', '"data:"', page)
    assert not re.search(r"https?:|//\w|@import|<link|<script|<iframe|<object|url\(", text)
    for tag, attributes in Reader(page).tags:
        assert (attributes.get("src") or "data:").startswith("data:"), (tag, attributes)
        assert (attributes.get("href") or "#").startswith("#"), (tag, attributes)


def test_names_are_text_and_not_markup(page: str) -> None:
    found = Reader(page)
    assert "script" not in {tag for tag, _ in found.tags}
    assert "b" in {tag for tag, _ in found.tags}
    assert EVIL in found.text
    assert f"noisy {EVIL}" in found.text
    assert ODD_NAME in found.text
    assert "EPYC 9B45 <128-Core> & Processor" in found.text


def test_every_section_plot_and_failure_is_on_the_page(page: str) -> None:
    found = Reader(page)
    for title in ("Scenarios", "Live streams", "Where the time goes", "Accuracy, speed", "each gain", "Targets"):
        assert title in found.text
    labels = [str(attributes["alt"]).split(".")[0] for tag, attributes in found.tags if tag == "img"]
    assert labels == [
        "Latency by scenario",
        "Where the time goes",
        "Accuracy against latency",
        "Throughput against memory",
    ]
    assert "model <1>: is no ONNX file & cannot be read" in found.text
    assert "needs at least 100 samples, got 61" in found.text
    assert "43.2 ms 42.3\N{EN DASH}44.1" in " ".join(found.text.split())
    assert "target <= 1.2 s: NOT met" in found.text


def test_plots_are_pictures_on_white_that_the_page_has_in_itself(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    sources = [attributes["src"] or "" for tag, attributes in Reader(page).tags if tag == "img"]
    for source in sources:
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(source.partition(",")[2]), np.uint8), 1)
        assert picture.shape[1] == 1024
        assert (picture[0, 0] == 255).all()
        assert picture.std() > 1


def test_several_reports_share_plots_and_are_compared() -> None:
    base, new = report([*live(), stages("a.avi")]), report([*live(), stages("a.avi", slower={"resize": 1.3})])
    comparison = compare(base, new, names=("a <1>", "b"))
    found = Reader(report_html([Series("a <1>", base), Series("b", new)], [comparison]))
    assert "b against a <1>: 1 worse" in found.text
    assert "WORSE" in found.text
    assert found.text.count("All of ") == 2
    assert len([tag for tag, _ in found.tags if tag == "img"]) == 2


def test_a_report_of_nothing_but_a_failure_has_a_page() -> None:
    assert "out of memory" in report_html([Series("a", report([scenario("offline", error="out of memory")]))])
    assert "Machine and method" in report_html([Series("a", report([]))])


def test_facts_of_a_machine_that_tells_little_are_no_hindrance() -> None:
    bare = report(
        [Result(section="live", settings={})], probe_ms=None, machine={"cpu": None, "gpus": [{}], "packages": None}
    )
    assert "GPU" in report_html([Series("a", bare)])


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_missing_packages_are_named_with_their_remedy(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for ask in (check_html, lambda: report_html([Series("a", report(results()))])):
        with pytest.raises(MissingDependencyError, match=rf"{package}: .*pip install 'pptsn\[bench\]'"):
            ask()
