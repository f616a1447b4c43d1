"""The gallery as an output: what its page holds, where its pictures lie, what is left where it cannot be made."""

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.classify.gallery import sink
from pptsn.runtime.classify.gallery.names import check_gallery_name
from pptsn.runtime.classify.gallery.sheets import SheetWriter, sheet_name
from pptsn.runtime.classify.gallery.sink import Gallery
from pptsn.runtime.classify.results import Classification, Failure, Truth
from tests.clips import write_clip
from tests.disks import small_disk
from tests.models import write_tiny_model
from tests.runtime.classify.gallery.results import answered, broken, mixed

ROOT = Path(__file__).parents[4]
ABOUT = {"model": "m.onnx", "looked_at": "25 segments"}


def make(
    page: Path, results: Iterable[Classification | Failure], *, answered: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    with Gallery.open(str(page), about=ABOUT, answered=answered) as gallery:
        for result in results:
            gallery.write(result)
    return data_of(page)


def data_of(page: Path) -> dict[str, Any]:
    """Return the data in the page, as a browser reads it: up to the first end of a script."""
    text = page.read_text(encoding="utf-8")
    return json.loads(text.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_page_knows_what_was_found_of_each_clip(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    odd = answered(3, evidence=False, warnings=("2 frames lost",), duration_s=None)
    data = make(page, [answered(1), broken(2), odd])
    first, second, third = data["clips"]
    result = answered(1)
    assert first["source"] == result.source
    assert first["top"] == [[p.class_id, round(p.score, 4)] for p in result.top(5)]
    assert first["margin"] == pytest.approx(result.margin, abs=1e-4)
    evidence = result.evidence()
    assert [part for _, _, part in first["evidence"]["frames"]] == pytest.approx(list(evidence.by_frame), abs=1e-4)
    assert dict(first["evidence"]["crops"]).keys() == set(evidence.crops)
    assert second == {"source": broken(2).source, "error": f"{broken(2).source}: is empty; record it again"}
    assert (third["warnings"], third["seconds"], "evidence" in third) == (["2 frames lost"], None, False)
    for class_id, _ in [*first["top"], *third["top"]]:
        assert data["about"]["labels"][str(class_id)] == f"class {class_id}"
    assert data["about"]["model"] == "m.onnx"
    assert data["about"]["note"] == ""


def test_the_page_knows_what_is_right_where_a_list_says_it(tmp_path: Path) -> None:
    leading = answered(1).top(1)[0].class_id
    results = [
        answered(1),
        replace(answered(1), truth=Truth(leading, "it")),
        replace(broken(1), truth=Truth(0, "x")),
    ]
    clips = make(tmp_path / "out.html", results)["clips"]
    assert [(clip.get("label"), clip.get("right")) for clip in clips] == [(None, None), ("it", True), ("x", False)]


@pytest.mark.parametrize(
    "source", ["</script><script>alert(1)</script>.mp4", "<!--<script>.mp4", "\u202egpj.mp4", "a\nb\udcff.mp4"]
)
def test_no_name_is_more_than_text(tmp_path: Path, source: str) -> None:
    page = tmp_path / "out.html"
    labels = (source, *answered(1).labels[1:])
    data = make(page, [answered(0, source=source, labels=labels), Failure(source, InputError(source, "is bad"))])
    text = page.read_text(encoding="utf-8")
    assert text.count("</script>") == 2
    assert "<script>alert" not in text
    assert "\u202e" not in text.partition('id="data">')[2].partition("</script>")[0]
    assert [clip["source"] for clip in data["clips"]] == [data["clips"][0]["source"]] * 2


def test_the_policy_admits_the_pages_own_script_and_style_and_nobody_elses(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    make(page, [answered(1)])
    text = page.read_text(encoding="utf-8")
    policy = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)[0]
    for tag, rule in (("<style>", "style-src"), ("<script>", "script-src")):
        own = text.partition(tag)[2].partition(tag.replace("<", "</"))[0]
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


def test_a_link_leads_from_the_page_to_the_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["clips/a.mp4", "clips/:50% #1?.mp4", os.fsdecode(b"clips/\xff.mp4")]
    for name in names:
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    data = make(Path("pages/out.html"), [answered(n, source=name) for n, name in enumerate(names)])
    for name, clip in zip(names, data["clips"], strict=True):
        assert re.fullmatch(r"[\w./%-]+", clip["address"], re.ASCII)
        assert Path("pages", unquote(clip["address"], errors="surrogateescape")).samefile(name)
    for name in ("clips", "none.mp4", "https://host/a.mp4", "clip 0", "\0"):
        assert "address" not in make(Path("pages/out.html"), [answered(1, source=name)])["clips"][0]


def test_pictures_lie_where_the_page_says(tmp_path: Path) -> None:
    writer = SheetWriter(tmp_path)
    clips = [answered(number).pictures for number in range(200)]
    shades = [tuple(np.full_like(picture, 40 + number) for picture in of) for number, of in enumerate(clips)]
    places = [writer.add(pictures) for pictures in shades]
    assert writer.add(()) == []
    writer.close()
    sheets = [cv2.imread(str(tmp_path / sheet_name(number))) for number in range(writer.count)]
    assert writer.count > 1
    taken = set()
    for number, of_clip in enumerate(places):
        assert len({place.sheet for place in of_clip}) == 1
        for place in of_clip:
            cut = sheets[place.sheet][place.top : place.top + place.height, place.left : place.left + place.width]
            assert np.abs(cut.astype(int) - (40 + number)).max() <= 3
            taken.add((place.sheet, place.left, place.top))
    assert len(taken) == 600


def test_a_small_gallery_is_one_file_and_a_large_one_has_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "out.html"
    inside = make(page, [answered(number) for number in range(100)])
    assert names_in(tmp_path) == ["out.html"]
    assert all(address.startswith("data:image/jpeg;base64,") for address in inside["sheets"])
    with monkeypatch.context() as patch:
        patch.setattr(sink, "_MOST_INSIDE_BYTES", 0)
        beside = make(page, [answered(number) for number in range(100)])
        assert names_in(tmp_path) == ["out.html", "out_files"]
        assert sorted(beside["sheets"]) == [f"out_files/{name}" for name in names_in(tmp_path / "out_files")]
        assert len(make(page, [answered(1)])["sheets"]) == len(names_in(tmp_path / "out_files")) == 1
    make(page, [answered(1)])
    assert names_in(tmp_path) == ["out.html"]


def test_a_folder_of_somebody_elses_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "out_files").mkdir()
    (tmp_path / "out_files" / "thesis.txt").touch()
    with pytest.raises(UsageError, match=r"out_files: is a folder with other content \(thesis\.txt\)"):
        make(tmp_path / "out.html", [answered(1)])
    assert names_in(tmp_path) == ["out_files"]


def test_whatever_ends_the_run_the_page_has_what_there_was(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    with pytest.raises(KeyboardInterrupt), Gallery.open(str(page), about=ABOUT) as gallery:
        gallery.write(answered(1))
        gallery.write(broken(2))
        raise KeyboardInterrupt
    assert len(data_of(page)["clips"]) == 2
    before = page.read_bytes()
    with pytest.raises(RuntimeError), Gallery.open(str(page), about=ABOUT):
        raise RuntimeError
    assert page.read_bytes() == before
    assert names_in(tmp_path) == ["out.html"]


@pytest.mark.parametrize("at", ["a sheet", "the last sheet", "the page"])
def test_a_full_disk_leaves_the_old_page_or_none_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    page = tmp_path / "out.html"
    for old in (False, True):
        if old:
            make(page, [answered(1)])
        before = page.read_bytes() if old else b""
        with monkeypatch.context() as patch:
            if at == "the page":
                patch.setattr(os, "fsync", fail)
            else:
                patch.setattr(Path, "write_bytes", fail)
            with pytest.raises(InputError, match=r"out\.html: cannot be written \(No space left on device\);"):
                make(page, (answered(number) for number in range(60 if at == "a sheet" else 3)))
        assert (page.read_bytes() if page.exists() else b"") == before
        assert names_in(tmp_path) == (["out.html"] if old else [])


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=400) as disk:
        with pytest.raises(InputError, match=r"out\.html: cannot be written \(No space left on device\)"):
            make(disk / "out.html", (answered(number) for number in range(2000)))
        assert names_in(disk) == []


def lines_of(*results: Classification | Failure) -> list[Any]:
    return [json.loads(json.dumps(result.to_dict())) for result in results]


def pictures_in(page: Path) -> dict[str, list[bytes]]:
    """Return the pixels of the pictures of each clip, as a browser would show them."""
    data, sheets = data_of(page), []
    for address in data["sheets"]:
        _, _, inside = address.partition("base64,")
        content = base64.b64decode(inside) if inside else (page.parent / unquote(address)).read_bytes()
        sheets.append(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))
    return {
        clip["source"]: [
            sheets[at][top : top + height, left : left + width].tobytes()
            for at, left, top, width, height in clip.get("pictures", ())
        ]
        for clip in data["clips"]
    }


def test_answers_of_earlier_runs_are_in_it_and_the_page_says_so(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    lines = lines_of(*(answered(number) for number in range(3)), broken(7))
    make(page, [answered(5)], answered=lines)
    data = data_of(page)
    assert data["about"]["note"] == "3 clips of an earlier run, without pictures here"
    assert ["pictures" in clip for clip in data["clips"]] == [False, False, False, False, True]
    assert data["clips"][0]["top"] == [[p.class_id, round(p.score, 4)] for p in answered(0).top(5)]
    make(tmp_path / "new.html", [broken(1)], answered=lines)
    assert len(data_of(tmp_path / "new.html")["clips"]) == 5


@pytest.mark.parametrize("place", ["inside", "beside", "moved out", "moved in"])
@pytest.mark.parametrize("kept", [0, 1, 66])
def test_a_page_that_is_gone_on_with_keeps_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, kept: int
) -> None:
    page = tmp_path / "a page.html"
    is_beside = {"inside": (False, False), "beside": (True, True), "moved out": (False, True)}
    first, then = is_beside.get(place, (True, False))
    results = [answered(number, evidence=False) for number in range(66)]  # more than a sheet has

    def made(new: Iterable[Classification], earlier: list[Classification], *, beside: bool) -> Any:
        monkeypatch.setattr(sink, "_MOST_INSIDE_BYTES", 0 if beside else 6_000_000)
        make(page, new, answered=lines_of(*earlier))
        return pictures_in(page)

    before = made(results, [], beside=first)
    after = made([answered(200)], results[66 - kept :][::-1], beside=then)
    assert len(after.pop(answered(200).source)) == 3
    assert after == {each.source: before[each.source] for each in results[66 - kept :]}
    assert all(len(pictures) == 3 for pictures in after.values())
    assert data_of(page)["about"]["note"] == ""
    assert names_in(tmp_path) == ["a page.html", *(["a page_files"] if then else [])]


@pytest.mark.parametrize("top", [1, 5, 9])
def test_a_page_of_the_same_answers_is_made_again_as_it_was(tmp_path: Path, top: int) -> None:
    page = tmp_path / "out.html"
    results = [answered(1), broken(2), answered(3)]
    make(page, results)
    before = pictures_in(page)
    for failed in (
        [],
        [broken(2)],
        [broken(4)],
    ):  # nothing was left to do; a clip failed once more; another one did
        lines = [json.loads(json.dumps(answered(number).to_dict(top=top))) for number in (1, 3)]
        make(page, failed, answered=lines)
        assert pictures_in(page) == {**{s: p for s, p in before.items() if p}, **{f.source: [] for f in failed}}


def test_pictures_of_another_answer_and_those_that_are_gone_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "_MOST_INSIDE_BYTES", 0)
    page = tmp_path / "out.html"
    make(page, [answered(number) for number in range(3)])
    other = answered(11, source=answered(1).source)
    make(page, [answered(5)], answered=lines_of(answered(0), other, answered(2)))
    assert [len(pictures) for pictures in pictures_in(page).values()] == [3, 0, 3, 3]
    assert data_of(page)["about"]["note"] == "1 clip of an earlier run, without pictures here"
    (tmp_path / "out_files" / sheet_name(0)).unlink()
    make(page, [answered(6)], answered=lines_of(answered(0), answered(5)))
    assert [len(pictures) for pictures in pictures_in(page).values()] == [0, 3, 3]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<p>my own page</p>",
        "[1]",
        '{"sheets":["/etc/passwd"],"clips":[CLIP]}',
        '{"sheets":["data:image/jpeg;base64,?"],"clips":[CLIP]}',
        '{"sheets":[],"clips":[CLIP]}',
    ],
)
def test_a_page_that_has_no_pictures_of_ours_gives_none(tmp_path: Path, content: str) -> None:
    page = tmp_path / "out.html"
    make(page, [answered(1)])
    (clip,) = data_of(page)["clips"]
    data = content.replace("CLIP", json.dumps(clip))
    page.write_text(f'<script type="application/json" id="data">{data}</script>')
    make(page, [answered(2)], answered=lines_of(answered(1)))
    assert [len(pictures) for pictures in pictures_in(page).values()] == [0, 3]
    assert len(data_of(page)["sheets"]) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.txt", "out.txt: is no name of a page; name one that ends with .html"),
        ("http://host/out.html", "--gallery: is an address, expected a file; name one that ends with .html"),
    ],
)
def test_a_name_that_is_none_of_a_page_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        check_gallery_name(name)
    assert str(error.value) == message
    check_gallery_name("out.HTM")


def test_a_folder_is_no_page(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "a.html"):
        folder.mkdir()
        with pytest.raises(InputError, match="is a folder, expected a file name"):
            make(folder, [answered(1)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and clips, one of which is none."""
    folder = tmp_path_factory.mktemp("clips")
    write_tiny_model(folder / "m.onnx")
    for number in range(3):
        write_clip(folder / f"{number}.mp4", frames=10 + number)
    (folder / "3.mp4").write_text("this is no video")
    return folder


def test_the_command_makes_it_besides_the_other_outputs(run, folder: Path, tmp_path: Path) -> None:
    page, lines = tmp_path / "out.html", tmp_path / "o.jsonl"
    arguments = ["classify", folder, "--model", folder / "m.onnx", "-o", lines, "--segments", 6, "--evidence"]
    first = run(*arguments, "--gallery", page)
    assert first.code == 1
    assert f"in {lines}, {page}" in first.err
    data = data_of(page)
    assert [Path(clip["source"]).name for clip in data["clips"]] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert [len(clip.get("pictures", [])) for clip in data["clips"]] == [3, 3, 3, 0]
    assert ["evidence" in clip for clip in data["clips"]] == [True, True, True, False]
    assert data["about"]["looked_at"] == "6 segments, views ten, centre, fixed_ratio"
    assert data["about"]["order"] == ""
    again = run(*arguments, "--gallery", page, "--resume")
    assert again.code == 1
    assert data_of(page) == data  # what failed has failed again, and the pictures stay
    write_clip(extra := tmp_path / "4.mp4", frames=9)
    assert run(*arguments, extra, "--gallery", page, "--resume").code == 1
    assert sorted(len(clip.get("pictures", [])) for clip in data_of(page)["clips"]) == [0, 3, 3, 3, 3]
    other = tmp_path / "other.html"
    run(*arguments, "--gallery", other, "--resume", "--sort", "margin")
    data = data_of(other)
    assert (data["about"]["order"], data["about"]["note"]) == (
        "margin",
        "4 clips of an earlier run, without pictures here",
    )
    names = [Path(clip["source"]).name for clip in data["clips"]]
    assert (sorted(names[:4]), names[4]) == (["0.mp4", "1.mp4", "2.mp4", "4.mp4"], "3.mp4")


def test_a_table_alone_cannot_be_resumed_with_a_gallery(run, folder: Path, tmp_path: Path) -> None:
    arguments = ["classify", folder / "0.mp4", "--model", folder / "m.onnx", "-o", tmp_path / "o.csv"]
    assert run(*arguments).code == 0
    ending = run(*arguments, "--resume", "--gallery", tmp_path / "out.html")
    assert ending.code == 2
    assert (
        "--gallery: cannot show what was answered before: a .csv has not all of it; resume a .jsonl" in ending.err
    )
    assert names_in(tmp_path) == ["o.csv"]


def test_an_input_is_not_overwritten(run, folder: Path, tmp_path: Path) -> None:
    clip = tmp_path / "a.html"
    clip.write_bytes((folder / "0.mp4").read_bytes())
    ending = run("classify", clip, "--model", folder / "m.onnx", "--gallery", clip)
    assert ending.code == 2
    assert clip.read_bytes() == (folder / "0.mp4").read_bytes()


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_makes_a_page_of_what_was_answered(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("\n".join([str(folder / "0.mp4")] * 3000))
    command = [
        sys.executable,
        "-m",
        "pptsn",
        "classify",
        f"@{tmp_path / 'list'}",
        "--model",
        str(folder / "m.onnx"),
    ]
    child = subprocess.Popen(
        [*command, "--gallery", str(tmp_path / "out.html")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stdout is not None
    for _ in range(2):
        child.stdout.readline()  # it has begun to answer
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert 1 <= len(data_of(tmp_path / "out.html")["clips"]) < 3000
    assert names_in(tmp_path) == ["list", "out.html"]


def test_a_gallery_of_ten_thousand_clips_is_a_page_of_thirty_megabytes_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By 300 of them, whose pictures lie beside it."""
    monkeypatch.setattr(sink, "_MOST_INSIDE_BYTES", 0)
    data = make(tmp_path / "out.html", mixed(300, failures=3))
    assert sum("error" in clip for clip in data["clips"]) == 3
    assert (tmp_path / "out.html").stat().st_size * 10_000 / 300 < 30_000_000
