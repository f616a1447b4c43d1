import dataclasses
import json
import math

import pytest

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.frames.protocols import PUBLISHED
from pptsn.runtime.model.spec import ModelSpec
from tests.models import tiny_spec


def test_json_round_trip() -> None:
    spec = tiny_spec(labels=("ärchery", "yoga"), mirror=True, resize_rule="keep_aspect")
    assert ModelSpec.from_json(spec.to_json(), source="x") == spec
    assert spec.classes == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("depth", 51),
        ("depth", True),
        ("architecture", "resnet"),
        ("architecture", ["pptsn-resnet_vd"]),
        ("labels", ()),
        ("labels", (1, 2)),
        ("crop_size", 0),
        ("short_side", 256.0),
        ("mirror", 1),
        ("resize_rule", "stretch"),
        ("mean", (0.5, 0.5)),
        ("std", (0.5, 0.0, 0.5)),
        ("num_seg", -1),
        ("stream_window_s", 0.0),
        ("stream_window_s", math.nan),
        ("stream_window_s", "4"),
        ("stream_segments", 0),
        ("stream_segments", 8.5),
        ("stream_views", "four"),
        ("precision", "int4"),
        ("precision", "fp32\n"),
        ("weights_digest", "abc"),
        ("weights_digest", "z" * 64),
        ("weights_digest", "0" * 64 + "\n"),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(field: str, value: object) -> None:
    with pytest.raises(ModelError, match=rf"{field} is .*, expected "):
        tiny_spec(**{field: value})


def test_a_crop_larger_than_the_frame_is_refused() -> None:
    with pytest.raises(ModelError, match="crop_size 48 exceeds short_side 40"):
        tiny_spec(crop_size=48)


def changed(**changes: object) -> str:
    return json.dumps(dataclasses.asdict(tiny_spec()) | changes)


def test_a_newer_version_is_refused_with_a_remedy() -> None:
    with pytest.raises(ModelError, match=r"m\.onnx: .* version 5, this program reads versions 1 to 4; install"):
        ModelSpec.from_json(changed(format_version=5, new_field=1), source="m.onnx")


def test_a_spec_of_the_first_release_opens_as_the_network_that_there_was() -> None:
    values = json.loads(changed(format_version=1))
    del values["architecture"]
    assert ModelSpec.from_json(json.dumps(values), source="m.onnx") == tiny_spec(architecture="pptsn-resnet_vd")


@pytest.mark.parametrize("missing", [(), ("views",), ("segments", "views", "sampling")])
@pytest.mark.parametrize("version", [1, 2])
def test_a_spec_of_older_releases_looks_at_clips_as_published(version: int, missing: tuple[str, ...]) -> None:
    values = json.loads(changed(format_version=version))
    for name in missing:
        del values[name]
    assert ModelSpec.from_json(json.dumps(values), source="m.onnx").protocol == PUBLISHED


STREAMS = {"stream_window_s": 2.5, "stream_segments": 5, "stream_views": "three"}


@pytest.mark.parametrize("names", [(), ("stream_segments",), ("stream_window_s", "stream_views"), tuple(STREAMS)])
def test_what_is_said_of_streams_comes_back_and_the_rest_stays_open(names: tuple[str, ...]) -> None:
    said = {name: STREAMS[name] for name in names}
    read = ModelSpec.from_json(changed(**said), source="m.onnx")
    assert read == tiny_spec(**said)
    assert read.said_of_streams == {name.removeprefix("stream_"): value for name, value in said.items()}


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_spec_without_the_fields_of_streams_says_nothing_of_them(version: int) -> None:
    values = json.loads(changed(format_version=version))
    for name in STREAMS:
        del values[name]
    assert ModelSpec.from_json(json.dumps(values), source="m.onnx").said_of_streams == {}


# What the last release before there were settings of streams and features read, and refused all else of.
VERSION_3 = {
    "depth", "labels", "weights_digest", "architecture", "short_side", "crop_size", "mirror", "resize_rule",
    "mean", "std", "num_seg", "segments", "views", "sampling", "temperature", "precision", "format_version",
}  # fmt: skip


@pytest.mark.parametrize(
    "said", [{}, {"temperature": 2.5, "segments": 8}, {"features": 512}, {"stream_segments": 5}]
)
def test_an_older_release_reads_what_says_nothing_new_and_refuses_the_rest_by_its_version(
    said: dict[str, object],
) -> None:
    spec = tiny_spec(**said)
    written = json.loads(spec.to_json())
    if said.keys() <= VERSION_3:
        assert (written.keys(), written["format_version"]) == (VERSION_3, 3)
    else:
        assert written["format_version"] == 4
    assert ModelSpec.from_json(spec.to_json(), source="m.onnx") == spec


@pytest.mark.parametrize("name", ["features", "stream_views"])
def test_a_spec_of_this_version_says_whether_it_has_features_and_settings_of_streams(name: str) -> None:
    values = json.loads(changed())
    del values[name]
    with pytest.raises(ModelError, match=rf"lacks \['{name}'\]"):
        ModelSpec.from_json(json.dumps(values), source="m.onnx")


@pytest.mark.parametrize("said", [{"stream_window_s": 0.002}, {"stream_window_s": 0.5, "stream_segments": 1000}])
def test_frames_of_streams_that_lie_too_near_are_refused(said: dict[str, object]) -> None:
    with pytest.raises(
        ModelError, match=r"^m\.onnx: .*: stream_window_s gives 0\.000\d+ s between sampled frames, "
    ):
        ModelSpec.from_json(changed(**said), source="m.onnx")


def test_a_spec_of_this_version_names_its_architecture() -> None:
    values = json.loads(changed())
    del values["architecture"]
    with pytest.raises(ModelError, match=r"lacks \['architecture'\]"):
        ModelSpec.from_json(json.dumps(values), source="m.onnx")


def test_an_unknown_architecture_is_refused_with_those_that_there_are() -> None:
    expected = r"^m\.onnx: .* architecture 'x3d', this program knows pptsn-resnet_vd; install the pptsn release"
    with pytest.raises(ModelError, match=expected):
        ModelSpec.from_json(changed(architecture="x3d", depth=3), source="m.onnx")


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        "no json",
        "[1]",
        "{}",
        "[" * 100_000,
        changed(extra=1),
        changed(depth="50"),
        changed(crop_size=48),
        changed(format_version="1"),
    ],
)
def test_damage_names_the_file_and_a_remedy(text: str | bytes) -> None:
    with pytest.raises(ModelError, match=r"^m\.onnx: its model spec.*; export the model again$"):
        ModelSpec.from_json(text, source="m.onnx")


def test_a_bad_value_in_a_file_is_named_with_the_file() -> None:
    with pytest.raises(ModelError, match=r"^spec\.json: its model spec: depth is 51, expected one of .*; export"):
        ModelSpec.from_json(changed(depth=51), source="spec.json")


def test_a_missing_field_is_named() -> None:
    values = json.loads(changed())
    del values["labels"]
    with pytest.raises(ModelError, match=r"lacks \['labels'\]"):
        ModelSpec.from_json(json.dumps(values), source="m.onnx")


@pytest.mark.parametrize(("label", "is_text"), [("\U0001f600", True), ("\ud83d", False), ("a\udcff", False)])
def test_labels_are_text_that_can_be_written(label: str, is_text: bool) -> None:
    text = changed(labels=["b", label])
    if is_text:
        assert ModelSpec.from_json(text, source="m.onnx").labels == ("b", label)
        return
    with pytest.raises(ModelError, match=r"m\.onnx: its model spec: labels hold a half of a character"):
        ModelSpec.from_json(text, source="m.onnx")


def test_a_spec_of_before_there_were_features_has_none() -> None:
    values = json.loads(changed(features=512))
    assert ModelSpec.from_json(json.dumps(values), source="m.onnx").outputs == {"logits": 4, "features": 512}
    del values["features"]
    for version in (1, 2, 3):
        text = json.dumps(values | {"format_version": version})
        spec = ModelSpec.from_json(text, source="m.onnx")
        assert (spec.features, spec.outputs) == (0, {"logits": 4})


@pytest.mark.parametrize("features", [-1, 65_537, 1.5, "512", None])
def test_features_that_no_network_has_are_refused(features: object) -> None:
    with pytest.raises(ModelError, match=r"its model spec: features is .*, expected 0 to 65536"):
        ModelSpec.from_json(changed(features=features), source="m.onnx")
