import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.frames.preprocess import scaled_size
from pptsn.runtime.frames.protocols import PROTOCOLS, Protocol, name_of, protocol_called
from pptsn.runtime.frames.sampling import sampling_rule
from pptsn.runtime.frames.views import crop_views

# What the original's test configurations and its prediction say, as `reference.json` calls it.
PUBLISHED = {
    "frames": ("centre", "keep_aspect"),
    "videos": ("linspace", "keep_aspect_floor"),
    "predict": ("centre", "fixed_ratio"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_protocol_is_known_by_its_values_alone(name: str) -> None:
    sampling, rule = PUBLISHED[name]
    assert name_of(Protocol(sampling=sampling, resize_rule=rule, segments=25, views="ten")) == name
    assert name_of(Protocol(sampling=sampling, resize_rule=rule, segments=3)) is None


def test_an_unknown_protocol_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"--protocol: unknown protocol 'video'; choose one of frames, videos"):
        protocol_called("video")


@pytest.mark.shared
@pytest.mark.parametrize("name", PROTOCOLS)
def test_indices_sizes_and_crops_are_the_originals(reference, name: str) -> None:  # type: ignore[no-untyped-def]
    protocol, (sampling, rule) = protocol_called(name), PUBLISHED[name]
    sampled = [entry for entry in reference["sampling"] if entry["num_seg"] == protocol.segments]
    assert sampled
    for entry in sampled:
        found = sampling_rule(protocol.sampling)(entry["frames"], protocol.segments)
        assert found == entry[sampling]
    for entry in reference["scale"]:
        found = scaled_size(entry["w"], entry["h"], short_side=256, rule=protocol.resize_rule)
        assert list(found) == entry[rule]
    for entry in reference["tencrop"]:
        views = crop_views(protocol.views, entry["w"], entry["h"], size=224, mirror_in_graph=False)
        assert [(v.x, v.y, v.flipped) for v in views] == [(v["x"], v["y"], v["flipped"]) for v in entry["order"]]
