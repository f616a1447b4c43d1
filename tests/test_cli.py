"""The command line as its users meet it: output, errors and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote

import pytest

import pptsn
from tests.clips import cut_file, damage_packets, write_clip, write_sound
from tests.models import write_foreign_model, write_tiny_model

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two videos, and every kind of file that is none."""
    folder = tmp_path_factory.mktemp("videos")
    write_clip(folder / "a.mp4", frames=12)
    write_clip(folder / "b.mkv", frames=1)
    write_sound(folder / "sound.mp4")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    cut_file(write_clip(folder / "cut.mp4", frames=30), 0.5)
    return folder


def test_version_and_help(run) -> None:
    assert run("--version").out == f"pptsn {pptsn.__version__}\n"
    shown = run("--help")
    assert shown.code == 0
    for command in ("classify", "convert", "doctor", "evaluate", "export", "synthesize", "train", "verify"):
        assert command in shown.out


def test_every_command_explains_itself(run) -> None:
    for command in (
        ["classify"],
        ["convert", "onnx"],
        ["convert", "fp16"],
        ["convert", "int8"],
        ["convert", "check"],
        ["convert", "engine"],
        ["doctor"],
        ["evaluate"],
        ["export"],
        ["synthesize"],
        ["train"],
        ["verify"],
    ):
        shown = run(*command, "--help")
        assert shown.code == 0
        assert "Usage:" in shown.out


def test_convert_lists_every_step(run) -> None:
    shown = run("convert", "--help")
    assert shown.code == 0
    for command in ("onnx", "fp16", "int8", "check", "engine"):
        assert f" {command} " in shown.out


def test_wrong_usage_of_the_conversions_is_code_2_and_says_what_there_is(run, model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "m.engine"
    int8 = ["convert", "int8", model, "-o", tmp_path / "o.onnx", "--calibration", tmp_path]
    for arguments, cause in (
        ([*int8, "--target", "tpu"], "tensorrt, cpu"),
        ([*int8, "--target", "cpu", "--method", "best"], "auto, min-max"),
        (["convert", "engine", model, "-o", plan, "--builder", "openvino"], "tensorrt, tensorrt-rtx"),
        (["convert", "engine", model, "-o", plan, "--batch", "5,1,2"], "MIN <= OPT <= MAX"),
        (["convert", "engine", model, "-o", plan, "--precision", "fp16"], "precision belongs in the ONNX file"),
    ):
        ending = run(*arguments)
        assert (ending.code, ending.err.count("\n")) == (2, 1)
        assert cause in ending.err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_builder_is_code_3(run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for builder, module in (("tensorrt", "tensorrt"), ("tensorrt-rtx", "tensorrt_rtx_bindings")):
        monkeypatch.setitem(sys.modules, module, None)
        ending = run("convert", "engine", model, "-o", tmp_path / "m.engine", "--builder", builder)
        assert ending.code == 3
        assert ending.err.startswith(f"pptsn: error: {builder}: it is not usable here")
        assert ending.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_classify_prints_and_writes(run, model: Path, folder: Path, tmp_path: Path) -> None:
    ending = run(
        "classify", folder / "a.mp4", folder / "b.mkv", "--model", model, "--top", 2, "-o", tmp_path / "o.jsonl"
    )
    assert ending.code == 0
    said = r"pptsn: 2 of 2 sources answered; [\d.e+]+ a second; [^;]+ [12](, [^;]+ 1)?; in "
    assert re.fullmatch(said + re.escape(f"{tmp_path / 'o.jsonl'}\n"), ending.err)
    rows = [line.split("\t") for line in ending.out.splitlines()[1:]]
    assert [row[0] for row in rows] == [str(folder / "a.mp4")] * 2 + [str(folder / "b.mkv")] * 2
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [(line["source"], line["frames"]) for line in lines] == [
        (str(folder / "a.mp4"), 12),
        (str(folder / "b.mkv"), 1),
    ]
    assert [str(p["class_id"]) for p in lines[0]["top"]] == [row[1] for row in rows[:2]]
    looked_at = {"segments", "views", "sampling", "resize_rule"}
    comes_from = {"file_bytes", "modified", "model", "accept_damaged"}
    assert (
        lines[0].keys()
        == {"source", "frames", "duration_s", "top", "margin", "timing_ms"} | looked_at | comes_from
    )


def test_bad_sources_are_one_line_each_and_the_others_go_on(
    run, model: Path, folder: Path, tmp_path: Path
) -> None:
    ending = run("classify", folder, tmp_path / "none.mp4", tmp_path, "--model", model, "-o", tmp_path / "o.jsonl")
    assert ending.code == 1
    assert "Traceback" not in ending.err
    bad = {"cut.mp4", "empty.mp4", "sound.mp4", "text.mp4", "none.mp4", tmp_path.name}
    errors = [line for line in ending.err.splitlines() if line.startswith("pptsn: error: ")]
    assert {Path(line.removeprefix("pptsn: error: ").split(": ")[0]).name for line in errors} == bad
    assert len(errors) == len(bad)
    assert {Path(line.split("\t")[0]).name for line in ending.out.splitlines()[1:]} == {"a.mp4", "b.mkv"}
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert sum("error" in line for line in lines) == len(bad)
    assert sum("top" in line for line in lines) == 2


@pytest.mark.parametrize("outputs", [(), ("-o", "o.jsonl"), ("--gallery", "o.html")])
def test_quiet_shows_answers_only_where_no_output_has_them(
    run, model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    ending = run("--quiet", "classify", folder / "a.mp4", "--model", model, *outputs)
    assert (ending.code, ending.err) == (0, "")
    assert bool(ending.out) is not bool(outputs)
    assert all((tmp_path / name).exists() for name in outputs[1:])


def test_a_training_list_tells_right_and_wrong(run, model: Path, folder: Path, tmp_path: Path) -> None:
    ending = run("classify", folder / "a.mp4", folder / "b.mkv", "-m", model, "-o", "-")
    best = [json.loads(line)["top"][0]["class_id"] for line in ending.out.splitlines()]
    listed = tmp_path / "test.txt"
    listed.write_text(f"{folder}/a.mp4 {best[0]}\n{folder}/b.mkv {(best[1] + 1) % 4}\n{folder}/empty.mp4 0\n")
    ending = run("classify", f"@{listed}", "--model", model, "-o", "-")
    assert ending.code == 1
    lines = [json.loads(line) for line in ending.out.splitlines()]
    assert [line["right"] for line in lines] == [True, False, False]
    assert [line["truth"]["class_id"] for line in lines] == [best[0], (best[1] + 1) % 4, 0]
    assert "; top-1 33.3% (1 of 3 right)" in ending.err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("a.mp4 4\n", r"@.*:1: label 4 is out of range, expected 0 to 3; correct the line"),
        (
            "a.mp4 0\nb.mkv\n",
            r"@.*:2: has no label behind the source, unlike 1 other line of the list; give each .*",
        ),
    ],
)
def test_a_training_list_of_other_classes_or_half_one_is_a_line(
    run, model: Path, folder: Path, tmp_path: Path, lines: str, said: str
) -> None:
    listed = tmp_path / "test.txt"
    listed.write_text("".join(f"{folder}/{line}\n" for line in lines.splitlines()))
    ending = run("classify", f"@{listed}", "--model", model, "-o", tmp_path / "o.jsonl")
    assert ending.code == 1
    assert re.fullmatch(f"pptsn: error: {said}\n", ending.err)


def test_json_on_standard_output_is_json_alone(run, model: Path, folder: Path) -> None:
    ending = run("classify", folder / "a.mp4", "--model", model, "--output", "-")
    assert [json.loads(line)["frames"] for line in ending.out.splitlines()] == [12]


def test_a_damaged_video_with_frames_is_answered_with_a_warning(run, model: Path, tmp_path: Path) -> None:
    from tests.clips import damage_packets

    clip = damage_packets(write_clip(tmp_path / "d.mp4", frames=40), [10], wipe=True)
    ending = run("classify", clip, "--model", model, "--output", "-")
    (line,) = map(json.loads, ending.out.splitlines())
    assert ending.code == 0
    assert line["lost_frames"] >= 1
    assert line["warnings"]
    assert "warning" in ending.err
    quiet = run("--quiet", "classify", clip, "--model", model)
    assert quiet.err == ""


@pytest.mark.parametrize("option", ["--quiet", "-q", "--verbose", "-v"])
def test_options_of_the_program_may_stand_after_the_command(run, folder: Path, model: Path, option: str) -> None:
    before = run(option, "classify", folder / "a.mp4", "--model", model)
    after = run("classify", folder / "a.mp4", option, "--model", model)
    assert (after.code, after.out, after.err) == (before.code, before.out, before.err)
    ending = run("classify", "--model", model, "--", option)
    assert (ending.code, ending.err) == (1, f"pptsn: error: {option}: there is no such file; check the path\n")


def test_a_table_has_columns_for_no_more_classes_than_there_are(run, folder: Path, model: Path) -> None:
    table = folder / "answers.csv"
    assert run("classify", folder / "a.mp4", "--model", model, "--top", "100000000", "-o", table).code == 0
    header = table.read_text(encoding="utf-8-sig").splitlines()[0]
    assert [name for name in header.split(",") if name.startswith("label")] == [
        "label",
        "label_2",
        "label_3",
        "label_4",
    ]


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--views", "nine"], "ten, three, center"),
        (["--segments", "0"], "segments"),
        (["--sampling", "random"], "centre, linspace"),
        (["--device", "gpu"], "cpu, cuda or cuda:N"),
        (["--backend", "ncnn"], "auto, onnxruntime"),
        (["--nonsense"], "no such option: --nonsense"),
    ],
)
def test_wrong_usage_is_code_2_and_says_what_there_is(
    run, model: Path, folder: Path, arguments: list[str], cause: str
) -> None:
    ending = run("classify", folder / "a.mp4", "--model", model, *arguments)
    assert ending.code == 2
    assert cause in " ".join(ending.err.replace("│", " ").split())


def test_a_missing_package_is_code_3(run, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    ending = run("classify", folder / "a.mp4", "--model", model)
    assert ending.code == 3
    assert "pip install 'pptsn[cpu]'" in ending.err


def test_unusable_models_are_one_line(run, model: Path, folder: Path, tmp_path: Path) -> None:
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.onnx").write_bytes(damaged)
    (tmp_path / "short.onnx").write_bytes(damaged[:500])
    write_foreign_model(tmp_path / "foreign.onnx")
    for name in ("damaged.onnx", "short.onnx", "foreign.onnx", "none.onnx"):
        ending = run("classify", folder / "a.mp4", "--model", tmp_path / name)
        assert ending.code == 1
        assert ending.err.startswith(f"pptsn: error: {tmp_path / name}: ")
        assert ending.err.count("\n") == 1


def test_verify_writes_its_report_and_fails_past_the_tolerance(
    run, model: Path, folder: Path, tmp_path: Path
) -> None:
    other = write_tiny_model(tmp_path / "other.onnx", mean=(0.5, 0.5, 0.52))
    same = run("verify", other, "--against", other, "--clips", folder / "a.mp4")
    assert (same.code, same.out.startswith("passed")) == (0, True)
    ending = run("verify", other, "--against", model, "--clips", folder)
    assert ending.code == 1
    assert "FAILED" in ending.out
    assert "more than the tolerance 0.001" in ending.err
    assert json.loads((tmp_path / "other.verify.report.json").read_text())["passed"] is False


@pytest.mark.parametrize("arguments", [[], ["--against", "m"], ["--reference", "e", "--clips", "c"]])
def test_verify_needs_one_thing_to_compare_with(run, model: Path, arguments: list[str]) -> None:
    assert run("verify", model, *arguments).code == 2


def test_doctor_speaks_json(run) -> None:
    findings = json.loads(run("doctor", "--json").out)
    assert findings["machine"]["cores"] >= 1
    assert "classifying on a CPU" in run("doctor").out


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_keeps_the_answers_until_then(model: Path, folder: Path, tmp_path: Path) -> None:
    names = [str(folder / "a.mp4")] * 3000
    (tmp_path / "list").write_text("\n".join(names))
    output = tmp_path / "o.jsonl"
    command = [sys.executable, "-m", "pptsn", "classify", f"@{tmp_path / 'list'}", "--model", str(model)]
    child = subprocess.Popen(
        [*command, "-o", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stdout is not None
    child.stdout.readline()  # it has begun to answer
    child.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, err = child.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert child.returncode == 130
    assert "Traceback" not in err
    assert 1 <= len(output.read_text().splitlines()) < 3000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["list", "o.jsonl"]


def test_a_reader_that_leaves_is_no_error_message(model: Path, folder: Path) -> None:
    clip, named = quote(f"{folder}/a.mp4"), quote(str(model))
    command = f"{sys.executable} -m pptsn classify {clip} --model {named} --top 4 | head -c 1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr


@pytest.mark.parametrize("order", ["", pytest.param("--sort score", marks=pytest.mark.slow)])
def test_a_reader_that_leaves_costs_the_file_nothing(
    model: Path, folder: Path, tmp_path: Path, order: str
) -> None:
    sources = " ".join([quote(f"{folder}/a.mp4")] * 20)
    output = tmp_path / "o.jsonl"
    named = f"--model {quote(str(model))} {order} -o {quote(str(output))}"
    command = f"{sys.executable} -m pptsn classify {sources} {named} --top 4 | head -c 1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (0, 1)
    assert ended.stderr.startswith("pptsn: 20 of 20 sources answered; ")
    assert len([json.loads(line) for line in output.read_text().splitlines()]) == 20


def test_a_killed_run_leaves_whole_answers_and_nothing_else(model: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{folder}/a.mp4\n" * 3000)
    output = tmp_path / "o.jsonl"
    command = [sys.executable, "-m", "pptsn", "classify", f"@{tmp_path / 'list'}", "--model", str(model)]
    with open(tmp_path / "table.tsv", "w") as table:
        child = subprocess.Popen([*command, "-o", str(output)], stdout=table, stderr=subprocess.PIPE, cwd=ROOT)
    with child:
        while not (output.exists() and output.stat().st_size > 3000):
            assert child.poll() is None
            time.sleep(0.01)
        child.kill()
    text, table_text = output.read_text(), (tmp_path / "table.tsv").read_text()
    answers = [json.loads(line) for line in text.splitlines()]
    assert text.endswith("\n")
    assert table_text.endswith("\n")
    assert len(answers) - 1 <= len(table_text.splitlines()) // 4 <= len(answers)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["list", "o.jsonl", "table.tsv"]


def test_an_engine_that_fails_on_the_way_costs_no_answer(
    run, model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pptsn.runtime.classify.batching import CropBatcher

    take, left = CropBatcher.take, [3]

    def fail(batcher: CropBatcher, clip: int) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("the device is lost")
        return take(batcher, clip)

    monkeypatch.setattr(CropBatcher, "take", fail)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ending = run("classify", *[folder / "a.mp4"] * 9, "--model", model, "-o", tmp_path / "o.jsonl")
    assert (ending.code, ending.err.count("\n")) == (4, 1)
    assert "the device is lost" in ending.err
    assert len([json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]) == 3


def test_a_full_disk_keeps_the_answers_until_then(model: Path, folder: Path, tmp_path: Path) -> None:
    """A limit of a file's size stands in for the disk."""
    sources = " ".join([quote(f"{folder}/a.mp4")] * 40)
    command = (
        f"ulimit -f 4; {sys.executable} -m pptsn classify {sources} --model {quote(str(model))} "
        f"--decoders 0 --segments 1 -o {quote(str(tmp_path))}/o.jsonl | cat"
    )
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    text = (tmp_path / "o.jsonl").read_text()
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "o.jsonl: cannot be written (File too large), the results in it stay; make room" in ended.stderr
    assert text.endswith("\n")
    assert 3 <= len([json.loads(line) for line in text.splitlines()]) < 40


def test_an_output_never_replaces_an_input(run, model: Path, folder: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=5)
    (tmp_path / "list").write_text("clip.mp4\n")
    for sources, output in (([clip], clip), ([tmp_path], clip), ([f"@{tmp_path / 'list'}"], tmp_path / "list")):
        before = output.read_bytes()
        ending = run("classify", *sources, "--model", model, "-o", output)
        assert (ending.code, output.read_bytes()) == (2, before)
    copy = tmp_path / "m.onnx"
    copy.write_bytes(model.read_bytes())
    assert run("classify", clip, "--model", copy, "-o", copy).code == 2
    assert copy.read_bytes() == model.read_bytes()


def test_names_that_are_no_utf8_are_written_legibly(run, model: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "plain.mp4", frames=5).rename(tmp_path / "caf\udce9.mp4")
    ending = run("classify", clip, tmp_path / "none\udce9.mp4", "--model", model, "-o", tmp_path / "o.jsonl")
    assert ending.code == 1
    assert "caf\\xe9.mp4\t" in ending.out
    assert "none\\xe9.mp4" in ending.err
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [Path(line["source"]).name for line in lines] == ["caf\\xe9.mp4", "none\\xe9.mp4"]


def test_a_missing_list_and_an_endless_name_leave_the_others_running(run, model: Path, folder: Path) -> None:
    ending = run("classify", "@none.txt", "n" * 300, folder / "a.mp4", "--model", model)
    assert ending.code == 1
    (said,) = ending.err.splitlines()[2:]
    assert said.startswith("pptsn: 1 of 3 sources answered; 2 failed; ")
    assert "@none.txt: the list cannot be read" in ending.err
    assert ending.out.splitlines()[1].startswith(f"{folder / 'a.mp4'}\t")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(model: Path, folder: Path, unbuffered: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    command = [sys.executable, "-m", "pptsn", "classify", str(folder / "a.mp4"), "--model", str(model)]
    with open("/dev/full", "w") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment, check=False
        )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "No space left" in ended.stderr


def test_a_damaged_clip_is_an_error_unless_it_is_accepted(run, model: Path, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", frames=30, options={"g": "1", "threads": "1"})
    damaged = write_clip(tmp_path / "b.mp4", frames=30, width=192, height=128, options={"g": "1", "threads": "1"})
    damage_packets(damaged, range(30), overwrite=True)
    refused = run("classify", whole, damaged, "--model", model)
    assert refused.code == 1
    found = re.search(r"b.mp4: (\d+) of 30 frames are damaged, (\d+) of the 25 sampled; get a whole", refused.err)
    assert found, refused.err
    answer = tmp_path / "o.jsonl"
    accepted = run("classify", whole, damaged, "--model", model, "--accept-damaged", "-o", answer)
    assert accepted.code == 0
    warning = f"{found[1]} of 30 frames came out damaged, {found[2]} of the 25 sampled"
    rows = [row.split("\t") for row in accepted.out.splitlines()[1:]]
    assert {Path(row[0]).name: row[4:] for row in rows} == {"a.mp4": [], "b.mp4": [warning]}
    assert [json.loads(line).get("warnings") for line in answer.read_text().splitlines()] == [None, [warning]]
    assert "2 of 2 sources answered, 1 of them with warnings; " in accepted.err
