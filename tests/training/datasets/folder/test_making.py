"""From folders of clips to lists and a recipe, and what can be wrong with such folders."""

import errno
import multiprocessing
import os
import shlex
import shutil
from collections import Counter
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError, PptsnError, UsageError
from pptsn.runtime.classify.lists import read_list
from pptsn.runtime.model.labels import read_labels
from pptsn.training.datasets.folder import making
from pptsn.training.datasets.folder.classes import read_classes
from pptsn.training.datasets.folder.making import FolderSettings, MadeFolder, make_folder, told_beside
from pptsn.training.datasets.folder.probing import probe_clips
from pptsn.training.datasets.listing import REPORT
from pptsn.training.recipe import load_recipe
from pptsn.training.synthetic.mp4 import write_mp4
from tests.training.clips import counting_folder, level_frame
from tests.training.dying import die_at

PARTS = ("train", "val", "test")


def clip(path: Path, level: int, *, width: int = 48, frames: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mp4(path, [level_frame(level, width=width)] * frames, fps=10)
    return path


@pytest.fixture
def clips(tmp_path) -> Path:
    for label, name in enumerate(("run", "high jump")):
        for index in range(5):
            clip(tmp_path / "clips" / name / f"{index}.mp4", 40 * index + 7 * label)
    return tmp_path / "clips"


def make(clips: Path, **settings: object) -> tuple[MadeFolder, list[str]]:
    notes: list[str] = []
    output = clips.parent / "my"
    made = make_folder(clips, output, settings=FolderSettings(**settings), decoders=0, note=notes.append)
    return made, notes


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def listed(folder: Path) -> dict[str, list[str]]:
    return {part: [str(Path(s.path).resolve()) for s in read_list(folder / f"{part}.txt")] for part in PARTS}


def test_lists_labels_and_recipe_are_those_of_the_folders(clips, monkeypatch):
    monkeypatch.chdir(clips.parent)
    made, _ = make(Path("clips"))
    recipe = load_recipe(made.recipe)
    assert read_labels(recipe.data.labels) == made.labels == ("high jump", "run")
    samples = [(part, sample) for part in PARTS for sample in read_list(getattr(recipe.data, part))]
    assert Counter((part, sample.label) for part, sample in samples) == {
        (part, label): count for part, count in zip(PARTS, (3, 1, 1), strict=True) for label in (0, 1)
    }
    assert all(Path(sample.path).parent.name == made.labels[sample.label] for _, sample in samples)
    assert {Path(sample.path).resolve() for _, sample in samples} == set(clips.rglob("*.mp4"))


def test_the_same_command_makes_the_same_and_another_seed_other_lists(clips):
    make(clips)
    before = contents(clips.parent / "my")
    make(clips)
    assert contents(clips.parent / "my") == before
    make(clips, seed=3)
    assert contents(clips.parent / "my")["train.txt"] != before["train.txt"]


def test_frame_folders_are_listed_with_their_frames(tmp_path):
    for name in ("run", "jump"):
        (tmp_path / "clips" / name).mkdir(parents=True)
        for frames in (3, 4, 5):
            counting_folder(tmp_path / "clips" / name / f"{name}{frames}", frames=frames + 3 * (name == "run"))
    made, _ = make(tmp_path / "clips")
    assert load_recipe(made.recipe).data.format == "frames"
    samples = [s for part in PARTS for s in read_list(made.recipe.parent / f"{part}.txt", format="frames")]
    assert sorted(sample.frames for sample in samples) == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(("name", "group"), [("v_{}_g0{}_c0{}", None), ("{}-cam{}-{}", "(cam.)")])
def test_clips_of_one_source_are_in_one_list(tmp_path, name, group):
    for label, folder in enumerate(("run", "jump")):
        for source in range(3):
            for part in range(2):
                path = tmp_path / "clips" / folder / f"{name.format(folder, source, part)}.mp4"
                clip(path, 30 * source + 10 * part + 4 * label + 5)
    _, notes = make(tmp_path / "clips", group=group)
    lists = listed(tmp_path / "my")
    for paths in lists.values():
        stems = Counter(path.rpartition("_c" if group is None else "-")[0] for path in paths)
        assert set(stems.values()) == {2}
    assert any(
        note.startswith("clips of one source are kept together") and "12 clips of" in note for note in notes
    )


def test_where_names_tell_no_source_that_is_said(clips):
    assert any("may be in several lists" in note for note in make(clips)[1])


@pytest.mark.parametrize("narrow", [False, True])
def test_a_class_that_its_width_tells_is_named(tmp_path, narrow):
    for label, name in enumerate(("run", "jump")):
        for index in range(12):
            width = 32 if narrow and label else 48
            clip(tmp_path / "clips" / name / f"{index}.mp4", 20 + 16 * index + 8 * label, width=width)
    made, _ = make(tmp_path / "clips")
    assert [each.property for each in made.told] == ["the width of the picture"] * narrow
    assert all(each.accuracy == 1 > each.chance for each in made.told)
    said = [each.sentence(made.labels[each.label]) for each in made.told]
    assert told_beside(made.recipe.with_name("train.txt")) == said  # as a report on what is trained says it


def _same_clip_in_two(root: Path) -> None:
    (root / "run" / "9.mp4").write_bytes((root / "high jump" / "0.mp4").read_bytes())


def _one_class(root: Path) -> None:
    (root / "run").rename(root.parent / "elsewhere")


def _one_clip_a_class(root: Path) -> None:
    for path in root.rglob("[1-9].mp4"):
        path.unlink()


def _unreadable(root: Path) -> None:
    (root / "run" / "1.mp4").write_bytes(b"no video")


def _split_already(root: Path) -> None:
    (root / "run").rename(root / "train")
    (root / "high jump").rename(root / "val")


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (
            _same_clip_in_two,
            InputError,
            "0.mp4: is the same clip as run/9.mp4, of the classes high jump",
        ),
        (_one_class, InputError, r"clips: holds one class alone \(high jump\); give each class a folder"),
        (
            _one_clip_a_class,
            InputError,
            "too few clips: of high jump 1, run 1 there are, but 3 lists need 3 clips of each class",
        ),
        (_unreadable, InputError, r"clips: 1 of 10 clips cannot be read, more than 5 %; remove them"),
        (_split_already, UsageError, "is split already, as its folders are called train, val"),
        (lambda root: (root / "run").rename(root / "High_Jump"), InputError, "have one name but for case"),
        (lambda root: (root / "run").rename(root / "a\nb"), InputError, "has a name that no class can have"),
        (lambda root: (root / "run").rename(root / os.fsdecode(b"a\xff")), InputError, "that no class can have"),
        (
            lambda root: counting_folder(root / "run" / "f", frames=2),
            UsageError,
            "holds videos and folders of fra",
        ),
    ],
)
def test_an_unusable_folder_is_one_line_and_leaves_nothing(clips, spoil, error, said):
    spoil(clips)
    with pytest.raises(error, match=said) as caught:
        make(clips)
    assert "\n" not in str(caught.value)
    assert not (clips.parent / "my").exists()


def _copy(root: Path) -> None:
    (root / "run" / "9.mp4").write_bytes((root / "run" / "0.mp4").read_bytes())


def _link(root: Path) -> None:
    (root / "run" / "9.mp4").symlink_to(root / "run" / "0.mp4")


def _companions(root: Path) -> None:
    (root / "run" / "._0.mp4").touch()
    (root / ".DS_Store").touch()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_copy, "1 clip is left out, having copies in the same class: run/9.mp4"),
        (_link, "1 clip is left out, having copies in the same class: run/9.mp4"),
        (_companions, "1 of a system's own files left out: run/._0.mp4"),
        (lambda root: (root / "empty").mkdir(), "1 folder is no class, without videos: empty"),
        (
            lambda root: (root / "swim").symlink_to(root / "nowhere"),
            "1 link is left out that no file or folder is behind: swim",
        ),
        (lambda root: (root / ".git").mkdir(), "hidden folders are no classes: .git"),
        (
            lambda root: (root / "notes.mp4").touch(),
            "1 video is left out, beside the folders of the classes: notes.mp4",
        ),
        (
            lambda root: (root / "run" / "notes.txt").touch(),
            "1 file is left out, by name no video: run/notes.txt",
        ),
    ],
)
def test_what_is_left_out_is_a_line(clips, change, said):
    change(clips)
    made, notes = make(clips)
    assert [note for note in notes if said in note]
    assert sum(part.total() for part in made.counts.values()) == 10


def _linked_class(root: Path) -> None:
    (root / "run").rename(root.parent / "elsewhere")
    (root / "run").symlink_to(root.parent / "elsewhere")


@pytest.mark.parametrize("link", [_linked_class, lambda root: (root / "run" / "loop").symlink_to(root / "run")])
def test_links_to_folders_are_followed_once(clips, link):
    link(clips)
    made, _ = make(clips)
    assert [part.total() for part in made.counts.values()] == [6, 2, 2]


@pytest.mark.parametrize(
    ("name", "target", "copy"), [("run/all", "", "run/all/high jump/0"), ("sprint", "run", "sprint/0")]
)
def test_a_folder_in_two_classes_by_links_is_a_clip_of_two_classes(clips, name, target, copy):
    (clips / name).symlink_to(clips / target)
    with pytest.raises(InputError, match=rf"is the same clip as {copy}\.mp4, of the classes"):
        make(clips)


def test_a_link_to_no_clip_is_a_clip_that_cannot_be_read(clips):
    (clips / "run" / "9.mp4").symlink_to(clips / "nowhere.mp4")
    _, notes = make(clips, max_unreadable=0.2)
    assert [note for note in notes if note.startswith("left out: ") and "run/9.mp4" in note]


def test_clips_deeper_down_and_other_scripts_are_of_their_class(clips):
    (clips / "run").rename(clips / "走る ✓")
    clip(clips / "走る ✓" / "day 1" / "x.mp4", 222)
    made, notes = make(clips)
    assert made.labels == ("high jump", "走る ✓") == read_labels(clips.parent / "my" / "labels.txt")
    assert sum(part[1] for part in made.counts.values()) == 6
    assert any("1 clip is of this class, too, in folders below it: day 1" in note for note in notes)


def test_unreadable_clips_within_the_share_are_told_and_left_out(clips):
    _unreadable(clips)
    made, notes = make(clips, max_unreadable=0.2)
    assert sum(part.total() for part in made.counts.values()) == 9
    assert [note for note in notes if note.startswith("left out: ") and "run/1.mp4" in note]


def test_a_folder_of_others_or_with_changed_files_is_left_alone(clips):
    output = clips.parent / "my"
    output.mkdir()
    (output / "thesis.txt").touch()
    with pytest.raises(UsageError, match="is not empty, and was not made by `pptsn data folder`"):
        make(clips)
    assert contents(output) == {"thesis.txt": b""}
    (output / "thesis.txt").unlink()
    make(clips)
    with (output / "recipe.yaml").open("a") as stream:
        stream.write("log_every: 3\n")
    before = contents(output)
    with pytest.raises(UsageError, match=r"recipe\.yaml: was changed since it was made"):
        make(clips, seed=3)
    assert contents(output) == before


@pytest.mark.parametrize("is_there", [False, True])
def test_a_full_disk_leaves_all_files_as_they_were(clips, monkeypatch, is_there):
    output = clips.parent / "my"
    if is_there:
        make(clips)
    before = contents(output) if is_there else None
    write = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        if "made_by" in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="No space left"):
        make(clips, seed=3)
    assert (contents(output) if output.exists() else None) == before
    assert {path.name for path in clips.parent.iterdir()} <= {"clips", "my"}


@pytest.mark.parametrize("renames", range(6))
def test_lists_that_took_the_place_of_others_in_part_are_made_anew(clips, monkeypatch, renames):
    make(clips)
    left, replace = renames + 1, os.replace  # the first is the report's

    def stopped(source, target):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", stopped)
        make(clips, seed=3)
    mixed = contents(clips.parent / "my")
    make(clips, seed=3)
    new = contents(clips.parent / "my")
    assert ("recipe.yaml" in mixed) == ({**mixed, REPORT: b""} == {**new, REPORT: b""}) == (renames > 4)


def _die_at(call: int, clips: Path) -> None:
    """Make other lists, and end as by SIGKILL just before the `call`-th change to the file system."""
    die_at(call, ("rename", "replace", "fsync", "mkdir", "unlink"))
    make(clips, seed=3)
    os._exit(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "folds"),
    [("nothing", False), ("an empty folder", False), ("lists", False), ("lists and a run", True)],
)
def test_a_kill_at_any_moment_leaves_no_mixture_to_train_by(clips, monkeypatch, folds, before):
    output, kept = clips.parent / "my", clips.parent / "kept"
    probed = probe_clips(clips, read_classes(clips, format=None, note=print).clips, decoders=0)
    monkeypatch.setattr(making, "probe_clips", lambda *arguments, **options: probed)
    if before.startswith("lists"):
        make(clips)
        if folds:  # as if other lists had been made before
            (output / "val.txt").rename(output / "folds.txt")
            report = (output / REPORT).read_text().replace('"val.txt"', '"folds.txt"')
            (output / REPORT).write_text(report)
    elif before == "an empty folder":
        output.mkdir()
    if before.endswith("run"):
        (output / "train").mkdir()
    old = contents(output) if output.exists() else {}
    if output.exists():
        shutil.copytree(output, kept)
    codes = []
    while not codes or codes[-1]:
        shutil.rmtree(output, ignore_errors=True)
        if kept.exists():
            shutil.copytree(kept, output)
        child = multiprocessing.get_context("fork").Process(target=_die_at, args=(len(codes), clips))
        child.start()
        child.join(30)
        codes.append(child.exitcode)
        killed = contents(output) if output.exists() else {}
        make(clips, seed=3)
        new = contents(output)
        seen = {name: content for name, content in killed.items() if not name.startswith(".") and name != REPORT}
        assert "recipe.yaml" not in seen or {**seen, REPORT: b""} in ({**old, REPORT: b""}, {**new, REPORT: b""})
        assert not list(output.glob(".*"))
        assert "folds.txt" not in new
    assert codes == [9] * (len(codes) - 1) + [0]
    assert len(codes) > 5


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"val": 0.5, "test": 0.5}, "leave a list of the three without clips"),
        ({"group": "("}, "is no regular expression"),
        ({"group": "camera"}, "matches none of the 10 clips, such as high jump/0.mp4"),
        ({"group": "^(.)"}, "too few clips: of high jump 1"),
    ],
)
def test_options_that_cannot_be_are_refused(clips, settings, said):
    with pytest.raises(PptsnError, match=said):
        make(clips, **settings)


def test_lists_within_the_clips_are_refused(clips):
    with pytest.raises(UsageError, match="where it would be a class"):
        make_folder(clips, clips / "my", settings=FolderSettings(), decoders=0, note=print)


@pytest.mark.parametrize("name", ["走る　人", "à\u00a0pied", "می\u200cدود", "a b"])
def test_names_of_all_scripts_and_with_spaces_are_names(clips, name):
    (clips / "run").rename(clips / name)
    output = clips.parent / name
    made = make_folder(clips, output, settings=FolderSettings(), decoders=0, note=lambda _: None)
    recipe = load_recipe(made.recipe)
    assert name in read_labels(recipe.data.labels)
    assert Path(recipe.data.train) == output / "train.txt"
    command = made.recipe.read_text(encoding="utf-8").splitlines()[1].removeprefix("#")
    assert shlex.split(command) == ["pptsn", "train", str(made.recipe), "--output", str(output / "train")]


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "a\x7f", os.fsdecode(b"a\xff")])
def test_names_that_no_recipe_can_hold_are_refused_before_any_clip_is_opened(clips, monkeypatch, name):
    monkeypatch.setattr("pptsn.training.datasets.folder.making.read_classes", None)
    weights = FolderSettings(weights=clips / f"{name}.pdparams")
    for output, settings in ((clips.parent / name, FolderSettings()), (clips.parent / "my", weights)):
        with pytest.raises(InputError, match="has a name that no recipe can hold"):
            make_folder(clips, output, settings=settings, decoders=0, note=lambda _: None)
        assert not output.exists()


def test_a_place_that_cannot_be_written_is_told_before_a_clip_is_opened(clips, monkeypatch):
    monkeypatch.setattr(making, "probe_clips", None)
    (clips.parent / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        make_folder(clips, clips.parent / "file" / "my", settings=FolderSettings(), note=print)
