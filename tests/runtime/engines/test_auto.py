"""What `auto` takes, and what it says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.runtime.engines import auto, open_engine
from pptsn.runtime.engines.auto import Taken, take
from pptsn.runtime.engines.backend import Choices
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.tuned import (
    DecodersFound,
    Measured,
    Setting,
    Tuning,
    keep,
    kept,
    surroundings,
    tuning_path,
)
from pptsn.runtime.model.file import claims_of
from tests.models import needs_openvino, write_tiny_model
from tests.runtime.engines.onnxruntime.test_engine import write_int8

VNNI = frozenset({"avx2", "avx512_vnni"})


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's folder of caches, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes this machine look like another."""

    def become(
        features: frozenset[str] = VNNI, *, openvino: bool = True, gpu: bool = False, cores: int = 2
    ) -> None:
        monkeypatch.setattr(auto, "processor_features", lambda: features)
        monkeypatch.setattr(auto, "find_spec", lambda name: ModuleSpec(name, None) if openvino else None)
        monkeypatch.setattr(auto, "driver_is_here", lambda: gpu)
        monkeypatch.setattr(auto, "available_cores", lambda: cores)

    return become


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model quantized for CPUs, as large as a ResNet-50 at 224 px by what it says of itself."""
    from pptsn.convert.graph.deployment import compose_deployment
    from pptsn.convert.graph.files import write_model
    from tests.models import tiny_network, tiny_spec

    spec = tiny_spec(precision="int8", depth=50, crop_size=224, short_side=256)
    graph, spec = compose_deployment(tiny_network(size=224), spec, mirror=True)
    write_model(graph, spec, tmp_path / "large.onnx", quantization={"target": "cpu"})
    return tmp_path / "large.onnx"


def measured(backend: str, crops_per_s: float, opening_s: float = 0.5, **details: object) -> Measured:
    values = {"device": "cpu", "threads": None, "batch_size": 7} | details
    setting = Setting(backend=backend, **values)  # type: ignore[arg-type]
    return Measured(setting=setting, crops_per_s=crops_per_s, opening_s=opening_s)


def tuned(model: Path, *found: Measured) -> Path:
    """Keep a tuning of `model`, and return where."""
    return keep(Tuning(model=claims_of(model).digest, machine=surroundings(), measured=found, made="2026-11-26"))


@pytest.mark.parametrize("crops", [None, 125, 10_000])
def test_openvino_is_taken_for_int8_on_a_cpu_with_vnni(
    model: Path, machine: Callable[..., None], crops: int | None
) -> None:
    machine()
    taken = take(model, Choices(crops=crops))
    assert taken.backend == "openvino"
    assert "OpenVINO" in taken.note
    assert "VNNI" in taken.note


@pytest.mark.parametrize(
    ("surrounding", "choices"),
    [
        ({"features": frozenset({"avx2"})}, {}),
        ({"features": frozenset({"asimddp", "i8mm"})}, {}),
        ({"openvino": False}, {}),
        ({"gpu": True}, {}),
        ({}, {"device": Device("cuda")}),
        ({}, {"crops": 8}),  # it opens later than it is done
        ({"cores": 16}, {"crops": 125}),
        ({}, {"crops": 125, "threads": 16}),
        ({}, {"optimise": False}),
    ],
)
def test_else_it_is_what_it_always_was_and_nothing_is_said(
    model: Path, machine: Callable[..., None], surrounding: dict[str, object], choices: dict[str, object]
) -> None:
    machine(**surrounding)
    asked = Choices(**choices)  # type: ignore[arg-type]
    assert take(model, asked) == Taken(choices=asked)


@pytest.mark.parametrize("target", ["", "tensorrt"])
def test_other_files_are_not_its_own(tmp_path: Path, machine: Callable[..., None], target: str) -> None:
    machine()
    path = tmp_path / "m.onnx"
    other = write_int8(path, target) if target else write_tiny_model(path)
    assert take(other, Choices()) == Taken(choices=Choices())


def test_work_is_counted_in_crops_of_a_large_network(
    tmp_path: Path, model: Path, machine: Callable[..., None]
) -> None:
    machine()
    small = write_int8(tmp_path / "small.onnx", "cpu")
    assert take(small, Choices(crops=125)).backend is None
    assert take(small, Choices(crops=125_000)).backend == "openvino"


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_file_that_says_nothing_is_left_to_its_backend(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    assert take(path, Choices()) == Taken(choices=Choices())


@needs_openvino
def test_it_is_opened_by_what_was_taken(model: Path, machine: Callable[..., None]) -> None:
    machine()
    with open_engine(model, crops=125) as engine:
        assert engine.identity.backend == "openvino"
        assert engine.notes == ("running by OpenVINO, as it is faster with INT8 on a CPU that has VNNI",)
    with open_engine(model, crops=5) as engine:
        assert (engine.identity.backend, engine.notes) == ("onnxruntime", ())


def test_a_package_that_is_there_and_does_not_work_is_told_and_not_used(
    model: Path, machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pptsn.runtime.engines.openvino.backend import OpenVinoBackend

    def fail(*arguments: object) -> None:
        raise MissingDependencyError("openvino", "libtbb.so.12 is missing", "install it")

    machine()
    monkeypatch.setattr(OpenVinoBackend, "open", fail)
    with open_engine(model) as engine:
        assert engine.identity.backend == "onnxruntime"
        assert engine.notes == ("openvino is not used: openvino: libtbb.so.12 is missing; install it",)


def test_what_was_tuned_is_taken(model: Path, machine: Callable[..., None]) -> None:
    machine()
    tuned(model, measured("onnxruntime", 40, threads=2, batch_size=3), measured("openvino", 30))
    with open_engine(model) as engine:
        assert engine.identity.backend == "onnxruntime"
        assert (engine.threads, engine.batch_size) == (2, 3)
        how = "onnxruntime on cpu, 2 threads, 3 crops a call"
        assert engine.notes == (f"running as pptsn tune found on 2026-11-26: {how}",)


def test_what_is_given_by_hand_wins(model: Path) -> None:
    tuned(model, measured("openvino?cache=0", 40, threads=2, batch_size=3))
    assert take(model, Choices(threads=1)).choices.threads == 1
    assert take(model, Choices(device=Device("cuda"))).backend is None
    with open_engine(model, backend="onnxruntime") as engine:
        assert (engine.threads, engine.notes) == (None, ())
        assert engine.batch_size != 3


@pytest.mark.parametrize(("crops", "backend"), [(10, "slow"), (100, "fast"), (None, "fast")])
def test_of_what_was_tuned_it_takes_what_is_done_first(model: Path, crops: int | None, backend: str) -> None:
    tuned(model, measured("fast", 100, opening_s=1.0), measured("slow", 50, opening_s=0.5))
    assert take(model, Choices(crops=crops)).backend == backend


@pytest.mark.parametrize(
    ("choices", "found"),
    [
        (Choices(), 3),
        (Choices(threads=2), 3),
        (Choices(threads=1), None),  # it leaves other cores than that it was measured with
        (Choices(crops=10), None),  # by another backend, which is done first
    ],
)
def test_decoders_are_those_beside_the_setting_that_they_were_measured_with(
    model: Path, choices: Choices, found: int | None
) -> None:
    fast, soon = measured("fast", 100, opening_s=1.0, threads=2), measured("soon", 50, opening_s=0.5)
    keep(
        Tuning(
            model=claims_of(model).digest,
            machine=surroundings(),
            measured=(fast, soon),
            made="2026-11-26",
            decoding=DecodersFound(decoders=3, crops_a_clip=125),
        )
    )
    decoding = take(model, choices).decoding
    assert (decoding and decoding.decoders) == found


def test_the_engine_knows_them(model: Path, machine: Callable[..., None]) -> None:
    machine()
    found = DecodersFound(decoders=3, crops_a_clip=125)
    assert [found.for_clips_of(crops) for crops in (124, 125, 250)] == [None, 3, 3]
    path = tuned(model, measured("onnxruntime", 40))
    with open_engine(model) as engine:
        assert engine.decoding is None  # as an older release kept it
    path.write_text(json.dumps(json.loads(path.read_text()) | {"decoding": {"decoders": 3, "crops_a_clip": 125}}))
    with open_engine(model) as engine:
        assert engine.decoding == found


@pytest.mark.parametrize(
    ("name", "then", "why"),
    [
        ("processor", "Xeon", "it was measured with processor Xeon, here is "),
        ("cores", "64", "it was measured with cores 64, here is "),
        ("pptsn", "0.0.1", "it was measured with pptsn 0.0.1, here is "),
        ("onnxruntime", "1.20", "it was measured with onnxruntime 1.20, here is "),
        ("GPUs", "NVIDIA H200", "it was measured with GPUs NVIDIA H200, here is none"),
    ],
)
def test_a_tuning_from_elsewhere_is_told_and_not_used(
    model: Path, machine: Callable[..., None], name: str, then: str, why: str
) -> None:
    machine(openvino=False)
    path = tuned(model, measured("openvino", 40))
    document = json.loads(path.read_text())
    document["machine"][name] = then
    path.write_text(json.dumps(document))
    with open_engine(model) as engine:
        assert engine.identity.backend == "onnxruntime"
        (note,) = engine.notes
    assert note.startswith(f"{path} is not used: {why}")
    assert note.endswith(f"; measure again: pptsn tune {model}")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"{", b"[]", b'{"format_version": 1}', b"null", b"1" * 5000],
)
def test_a_damaged_tuning_is_told_and_not_used(model: Path, machine: Callable[..., None], content: bytes) -> None:
    machine(openvino=False)
    path = tuned(model, measured("onnxruntime", 40))
    path.write_bytes(content)
    with open_engine(model) as engine:
        assert engine.notes == (f"{path} is damaged and not used; measure again: pptsn tune {model}",)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"batch_size": 10**9},
        {"threads": -1},
        {"threads": 10**6},
        {"threads": "all"},
        {"backend": None},
        {"device": "gpu"},
    ],
)
def test_a_setting_that_makes_no_sense_is_damage(model: Path, change: dict[str, object]) -> None:
    path = tuned(model, measured("onnxruntime", 40))
    document = json.loads(path.read_text())
    document["measured"][0]["setting"] |= change
    path.write_text(json.dumps(document))
    assert "is damaged" in take(model, Choices()).note


@pytest.mark.parametrize(
    "decoding", [3, {"decoders": -1, "crops_a_clip": 125}, {"decoders": 10**6, "crops_a_clip": 1}, {"decoders": 1}]
)
def test_so_are_decoders_that_make_no_sense(model: Path, decoding: object) -> None:
    path = tuned(model, measured("onnxruntime", 40))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"decoding": decoding}))
    assert "is damaged" in take(model, Choices()).note


@pytest.mark.parametrize("version", [0, 2])
def test_a_tuning_of_another_release_is_told_and_not_used(model: Path, version: int) -> None:
    path = tuned(model, measured("onnxruntime", 40))
    path.write_text(json.dumps({"format_version": version, "of": "which nothing is known"}))
    note = take(model, Choices()).note
    assert note.startswith(f"{path} is of another release and not used; measure again: pptsn tune {model}")


def test_so_is_a_day_that_is_none(model: Path) -> None:
    path = tuned(model, measured("onnxruntime", 40))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"made": "\x1b[31mtoday"}))
    assert "is damaged" in take(model, Choices()).note


def test_a_tuning_of_a_backend_that_is_gone_is_told_and_not_used(model: Path) -> None:
    tuned(model, measured("toy", 40))
    with open_engine(model) as engine:
        assert engine.identity.backend == "onnxruntime"
        (note,) = engine.notes
    assert note.startswith("toy is not used: --backend: unknown backend 'toy'")


def test_a_tuning_copied_from_another_model_is_told_and_not_used(
    tmp_path: Path, model: Path, machine: Callable[..., None]
) -> None:
    machine(openvino=False)
    other = write_tiny_model(tmp_path / "other.onnx")
    path = tuned(other, measured("onnxruntime", 40))
    copied = tuning_path(claims_of(model).digest)
    path.rename(copied)
    note = take(model, Choices()).note
    assert note == f"{copied} is about another model and not used; measure again: pptsn tune {model}"
    assert take(other, Choices()).note == ""


def test_a_digest_that_is_none_names_no_file(cache: Path) -> None:
    (cache / "pptsn").mkdir(parents=True)
    (cache / "pptsn" / "evil.json").write_text("{}")
    assert kept("../evil") == (None, None)


def test_surroundings_name_processor_cores_gpus_and_versions(tmp_path: Path) -> None:
    for number, name in enumerate(("NVIDIA H200", "NVIDIA L4")):
        path = tmp_path / f"proc/driver/nvidia/gpus/0000:0{number}:00.0/information"
        path.parent.mkdir(parents=True)
        path.write_text(f"Model: \t\t {name}\nIRQ:   \t\t 1\n")
    found = surroundings(tmp_path)
    assert found["GPUs"] == "NVIDIA H200, NVIDIA L4"
    assert found["processor"] == "unknown"
    assert {"cores", "pptsn", "onnxruntime"} <= found.keys()
    assert "GPUs" not in surroundings(tmp_path / "none")
