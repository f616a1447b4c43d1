import pytest

from pptsn.convert.graph.network import Network
from pptsn.convert.int8 import search
from pptsn.convert.int8.calibration import observe
from pptsn.convert.int8.options import Recipe, SkipLayers
from pptsn.convert.int8.scales import Scale
from pptsn.convert.int8.search import Candidate, Quantizer, best, tensors_of
from pptsn.runtime.base.errors import UsageError
from tests.convert.residual_network import CONVOLUTIONS, residual_network, views


@pytest.fixture(scope="module")
def network() -> Network:
    return residual_network()


def quantizer(network: Network, target: str = "tensorrt") -> Quantizer:
    return Quantizer(network, target, observe(network, tensors_of(network, target), views(32)), views(16, seed=1))


def miscalibrate(monkeypatch: pytest.MonkeyPatch, tensor_limit: float) -> None:
    """Quantize every tensor that reaches beyond `tensor_limit` as if it ended at a hundredth of it."""
    real = search.scale_of

    def wrong(histogram, method, target):  # type: ignore[no-untyped-def]
        scale = real(histogram, method, target)
        if histogram.high > tensor_limit:
            return Scale(scale.scale / 100, scale.zero_point, scale.dtype)
        return scale

    monkeypatch.setattr(search, "scale_of", wrong)


def test_the_layer_with_the_wrong_range_is_the_most_sensitive(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    histograms = observe(network, ["views", "x", "a1", "p", "c", "d1"], views(32))
    limit = sorted(h.high for h in histograms.values())[-2]
    (widest,) = [name for name, h in histograms.items() if h.high > limit]
    reader = {"views": "stem", "x": "main1", "a1": "main2", "p": "short", "c": "same1", "d1": "same2"}[widest]
    miscalibrate(monkeypatch, limit)
    errors = quantizer(network).layer_errors("min-max")
    assert errors[0].layer == reader
    assert errors[0].median > 5 * errors[1].median
    assert {error.layer for error in errors} == set(CONVOLUTIONS)


def test_a_model_without_its_worst_layer_errs_less(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    highs = sorted(h.high for h in observe(network, ["views", "x", "a1", "p", "c", "d1"], views(32)).values())
    miscalibrate(monkeypatch, highs[-2])
    chooser = quantizer(network)
    worst = chooser.layer_errors("min-max")[0].layer
    whole = chooser.judge(Recipe("tensorrt", "min-max", "convolutions"))
    without = chooser.judge(Recipe("tensorrt", "min-max", "convolutions", (worst,)))
    assert without.figures.error_median < whole.figures.error_median / 5


def test_the_best_is_the_one_of_the_smallest_median_error(network: Network) -> None:
    chooser = quantizer(network)
    candidates: list[Candidate] = [
        chooser.judge(Recipe("tensorrt", method, "residual")) for method in ("min-max", "mse")
    ]
    chosen = best(candidates)
    assert chosen.figures.error_median == min(c.figures.error_median for c in candidates)


def test_skip_layers_are_read_by_name_or_number() -> None:
    assert SkipLayers.parse("auto:5") == SkipLayers(worst=5)
    assert SkipLayers.parse("network/Conv.1, Conv.2,Conv.1") == SkipLayers(names=("Conv.1", "Conv.2"))


@pytest.mark.parametrize("text", ["auto", "auto:", "auto:0", "auto:-1", "auto:x"])
def test_a_number_of_layers_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="as in auto:5"):
        SkipLayers.parse(text)


@pytest.mark.parametrize("text", ["", ",", " , "])
def test_names_of_which_there_is_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no layer; write NAME,NAME, or auto:5"):
        SkipLayers.parse(text)


def test_layers_that_are_not_there_and_skipping_all_are_refused(network: Network) -> None:
    with pytest.raises(UsageError, match=r"no convolution 'Conv\.9'.*stem to same2"):
        SkipLayers(names=("Conv.9",)).check(network)
    with pytest.raises(UsageError, match="none of 6"):
        SkipLayers(worst=6).check(network)
