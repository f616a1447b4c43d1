"""The page of a gallery in a real browser, opened from the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.classify.gallery import sink
from pptsn.runtime.classify.gallery.sink import Gallery
from pptsn.runtime.classify.results import Classification, Failure, Truth
from pptsn.runtime.classify.sinks.names import Sort
from tests.clips import write_clip
from tests.runtime.classify.gallery.results import LABELS, answered, broken, mixed
from tests.runtime.stream.sinks.web.chromium import Page, chromium
from tests.waiting import wait_until

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


class Shown:
    """A gallery in the browser."""

    def __init__(self, browser: Page) -> None:
        self.browser = browser
        self.run = browser.run

    def open(self, path: Path, results: list[Classification | Failure], **about: str) -> None:
        about = {"model": "m.onnx", "looked_at": "25 segments", **about}
        with Gallery.open(str(path), about=about) as gallery:
            for result in results:
                gallery.write(result)
        self.browser.show(path.as_uri())

    @property
    def names(self) -> list[str]:
        return self.browser.texts("article h2")

    def choose(self, **values: object) -> None:
        """Set the filters."""
        self.run(
            """const form = document.getElementById("filters");
            for (const [name, value] of Object.entries(arguments[0])) form.elements[name].value = value;
            form.dispatchEvent(new Event("input"));""",
            values,
        )

    def press(self, key: str) -> None:
        self.run(
            """(document.activeElement ?? document.body).dispatchEvent(
                new KeyboardEvent("keydown", { key: arguments[0], bubbles: true, cancelable: true }));""",
            key,
        )

    @property
    def focused(self) -> str:
        return self.run(
            "return document.activeElement.querySelector('h2')?.textContent ?? document.activeElement.name"
        )


@pytest.fixture
def shown(browser: Page) -> Shown:
    browser.complaints()
    return Shown(browser)


def test_it_is_sorted_and_filtered_by_what_was_found(shown: Shown, tmp_path: Path) -> None:
    results: list[Any] = [answered(n, source=f"clip {n}.mp4") for n in range(12)]
    results[4] = replace(results[4], warnings=("2 frames lost",))
    shown.open(tmp_path / "out.html", [*results, broken(1)])
    assert len(shown.names) == 13
    assert shown.browser.text("#count").startswith("13 of 13 clips · 1 failed")

    def named(chosen: list[Any]) -> list[str]:
        return [result.source for result in chosen]

    for order, figure in (("score", lambda r: r.top(1)[0].score), ("margin", lambda r: r.margin)):
        shown.choose(order=order)
        assert shown.names == [*named(sorted(results, key=figure)), "clips/broken_001.mp4"]
        shown.choose(order=f"-{order}")
        assert shown.names == [*named(sorted(results, key=figure, reverse=True)), "clips/broken_001.mp4"]
    shown.choose(order="source")
    assert shown.names == [*(f"clip {n}.mp4" for n in range(12)), "clips/broken_001.mp4"]
    shown.choose(order="", kind="failed")
    assert shown.names == ["clips/broken_001.mp4"]
    assert shown.run("return document.querySelectorAll('article .pictures').length") == 0
    assert "is empty; record it again" in shown.browser.text("article .bad")
    shown.choose(kind="warned")
    assert shown.names == ["clip 4.mp4"]
    shown.choose(kind="", answer=str(results[0].top(1)[0].class_id))
    leading = results[0].top(1)[0].class_id
    assert shown.names == named([r for r in results if r.top(1)[0].class_id == leading])
    shown.choose(answer="", text="IP 1")
    assert shown.names == ["clip 1.mp4", "clip 10.mp4", "clip 11.mp4"]
    shown.choose(text="", most=0.4)
    assert shown.names == named([r for r in results if round(r.top(1)[0].score, 4) <= 0.4])
    shown.choose(most="", margin=0.1)
    assert shown.names == named([r for r in results if round(r.margin, 4) < 0.1])
    shown.press("0")
    wait_until(lambda: len(shown.names) == 13)
    assert shown.browser.complaints() == []


@pytest.mark.parametrize(
    ("sort", "expected"), [(Sort.SCORE, ["lone.mp4", "torn.mp4"]), (Sort.MARGIN, ["torn.mp4", "lone.mp4"])]
)
def test_it_opens_in_the_order_that_was_asked_for(
    shown: Shown, tmp_path: Path, sort: Sort, expected: list[str]
) -> None:
    logits = {"torn": [5.0, 4.9], "lone": [2.5, 0.0]}  # between two classes, and over all of them
    results: list[Any] = [
        answered(n, source=f"{name}.mp4", logits=np.array([*leading, *[0.0] * 18], np.float32))
        for n, (name, leading) in enumerate(logits.items())
    ]
    shown.open(tmp_path / "out.html", results, order=sort.value)
    assert shown.names == expected
    shown.choose(order=f"-{sort.value}")
    assert shown.names != expected
    shown.press("0")
    wait_until(lambda: shown.names == expected)


def test_right_and_wrong_are_told_apart_where_classes_are_known(shown: Shown, tmp_path: Path) -> None:
    results: list[Any] = [answered(n, source=f"{n}.mp4") for n in range(4)]
    shown.open(tmp_path / "out.html", results)
    assert shown.run("return document.querySelectorAll('#filters option[hidden]').length") == 2
    leading = [result.top(1)[0].class_id for result in results]
    truths = [leading[0], leading[1], (leading[2] + 1) % 20, leading[3]]
    judged = [replace(r, truth=Truth(of, LABELS[of])) for r, of in zip(results, truths, strict=True)]
    shown.open(tmp_path / "out.html", [*judged, replace(broken(1), truth=Truth(0, LABELS[0]))])
    assert shown.browser.text("#count") == "5 of 5 clips · 3 of 5 right (60.0 %) · 1 failed."
    assert shown.run("return document.querySelectorAll('#filters option[hidden]').length") == 0
    shown.choose(kind="right")
    assert shown.names == ["0.mp4", "1.mp4", "3.mp4"]
    shown.choose(kind="wrong")
    assert shown.names == ["2.mp4"]
    assert shown.browser.texts("article .bad") == [f"wrong: is {LABELS[truths[2]]}"]
    shown.choose(kind="", label=LABELS[truths[1]])
    assert shown.names == [f"{n}.mp4" for n in range(4) if truths[n] == truths[1]]


@pytest.mark.parametrize(
    ("folder", "others", "names"),
    [
        ("in/", ["in/b/1.mp4", "in/a/1.mp4", "in/2.mp4"], ["b/1.mp4", "a/1.mp4", "2.mp4"]),
        ("", ["/1.mp4", "in/1.mp4"], ["/1.mp4", "in/1.mp4"]),
        ("http://host/", ["http://host/in/1.mp4", "http://host/inner/1.mp4"], ["in/1.mp4", "inner/1.mp4"]),
        ("in/", ["in/1.mp4"], ["1.mp4"]),
    ],
)
def test_names_have_the_folders_by_which_clips_differ_and_scores_read_as_in_files(
    shown: Shown, tmp_path: Path, folder: str, others: list[str], names: list[str]
) -> None:
    results: list[Any] = [answered(n, source=source) for n, source in enumerate(others)]
    shown.open(tmp_path / "out.html", results)
    assert shown.names == names
    assert shown.browser.text("article .figure") == f"{results[0].top(1)[0].score:.3f}"
    shown.choose(text=folder)
    assert len(shown.names) == len(others)


@pytest.mark.parametrize("beside", [False, True])
def test_pictures_and_evidence_are_drawn(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    if beside:
        monkeypatch.setattr(sink, "_MOST_INSIDE_BYTES", 0)
    shown.open(tmp_path / "a page.html", [answered(1), answered(2, evidence=False)])
    assert (tmp_path / "a page_files").is_dir() == beside
    assert shown.run("return document.querySelectorAll('.pictures image').length") == 6
    loaded = """const done = arguments[0], image = new Image();
        image.onload = () => done(image.naturalWidth); image.onerror = () => done(0);
        image.src = document.querySelector('.pictures image').getAttribute('href');"""
    assert shown.browser.later(loaded) == 1600
    assert shown.run("return document.querySelectorAll('.along rect').length") == 25
    assert shown.run("return document.querySelectorAll('.crops rect').length") == 5
    evidence = answered(1).evidence()
    best = evidence.times_s[evidence.by_frame.argmax()]
    assert not shown.run("return document.getElementById('legend').hidden")
    label = shown.run("return document.querySelector('.along').getAttribute('aria-label')")
    assert label == f"evidence along time, most at {best:g} s"
    assert shown.browser.complaints() == []


def test_a_clip_is_played_where_the_browser_can(shown: Shown, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", codec="libx264")
    (tmp_path / "b.mp4").write_text("no video")
    shown.open(
        tmp_path / "out.html",
        [answered(1, source=str(tmp_path / "a.mp4")), answered(2, source=str(tmp_path / "b.mp4"))],
    )
    for name, plays in (("a.mp4", True), ("b.mp4", False)):
        shown.press("j")
        assert shown.focused == name
        shown.press("Enter")
        assert shown.run("return document.getElementById('player').open")
        assert shown.run("return document.querySelector('#player a').href") == (tmp_path / name).as_uri()
        if plays:
            wait_until(lambda: shown.run("return document.querySelector('video').videoWidth") == 96)
        else:
            wait_until(lambda: not shown.run("return document.getElementById('unplayed').hidden"))
            assert shown.run("return document.querySelector('video').offsetHeight") == 0
        shown.run("document.getElementById('player').close()")


def test_a_clip_opened_as_soon_as_another_is_closed_is_what_is_shown(shown: Shown, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", codec="libx264")
    (tmp_path / "b.mp4").write_text("no video")
    shown.open(tmp_path / "out.html", [answered(n, source=str(tmp_path / f"{'aba'[n]}.mp4")) for n in range(3)])
    # In one script, since the browser tells of a closed dialog between two: with its next picture.
    reopen = """document.getElementById("player").close();
        for (const key of ["j", "Enter"]) {
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        }"""
    shown.press("j")
    shown.press("Enter")
    shown.run(reopen)
    wait_until(lambda: not shown.run("return document.getElementById('unplayed').hidden"))
    shown.run(reopen)
    wait_until(lambda: shown.run("return document.querySelector('video').videoWidth") == 96)
    assert shown.run("return document.getElementById('unplayed').hidden")


def test_keys_lead_from_clip_to_clip(shown: Shown, tmp_path: Path) -> None:
    shown.browser.be_wide(1400)
    shown.open(tmp_path / "out.html", [answered(n, source=f"{n}.mp4") for n in range(150)])
    assert len(shown.names) < 150
    for key, name in (("j", "0.mp4"), ("ArrowRight", "1.mp4"), ("k", "0.mp4"), ("ArrowDown", "3.mp4")):
        shown.press(key)
        assert shown.focused == name
    for _ in range(49):
        shown.press("ArrowDown")
    assert shown.focused == "149.mp4"
    shown.press("ArrowUp")
    assert shown.focused == "146.mp4"
    shown.press("/")
    assert shown.focused == "text"
    shown.press("j")  # a letter of what is looked for
    assert shown.focused == "text"
    shown.press("Escape")
    shown.press("k")
    assert shown.focused == "0.mp4"


@pytest.mark.parametrize("width_px", [320, 500, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_goes_with_the_system(shown: Shown, tmp_path: Path, width_px: int, scheme: str) -> None:
    shown.browser.be_wide(width_px)
    shown.browser.prefer(scheme)
    long = answered(1, source="x" * 200 + ".mp4", labels=("y" * 90, *LABELS[1:]))
    shown.open(tmp_path / "out.html", [long, answered(2), broken(1)])
    assert shown.run("return document.documentElement.scrollWidth") <= width_px
    light = shown.browser.brightness() > 128
    assert light == (scheme == "light")
    assert light == (shown.browser.brightness(of="color") < 128)


def test_names_run_nothing(shown: Shown, tmp_path: Path) -> None:
    evil = "<img src=x onerror='document.title=1'></script><script>document.title=2</script>"
    labels = tuple(f"{evil}{n}" for n in range(20))
    failure = Failure(evil, replace_thing(broken(1).error, evil))
    shown.open(tmp_path / "out.html", [answered(1, source=evil, labels=labels, warnings=(evil,)), failure])
    assert shown.run("return document.title") == "out: 2 clips"
    assert shown.run("return document.querySelectorAll('main img, main script').length") == 0
    assert shown.browser.complaints() == []


def replace_thing(error: Any, thing: str) -> Any:
    return type(error)(thing, error.cause, error.remedy)


@pytest.mark.slow
def test_ten_thousand_clips_are_there_at_once(shown: Shown, tmp_path: Path) -> None:
    shown.open(tmp_path / "out.html", list(mixed(10_000, failures=100)))
    assert (tmp_path / "out.html").stat().st_size < 30_000_000
    assert len(shown.names) == 60
    assert shown.browser.text("#count").startswith("10000 of 10000 clips · 100 failed")
    shown.choose(order="margin")
    assert len(shown.names) == 60
    shown.run("scrollTo(0, document.body.scrollHeight)")
    wait_until(lambda: len(shown.names) > 60)
    assert shown.browser.complaints() == []
