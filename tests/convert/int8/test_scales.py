import numpy as np

from pptsn.convert.int8.scales import asymmetric_scale, round_up_to_fp16, symmetric_scale, weight_scales


def test_symmetric_scales_have_zero_point_zero_and_never_clip_their_range() -> None:
    for limit in (1e-9, 0.3, 1.0, 6.1, 300.0):
        scale = symmetric_scale(limit)
        assert (scale.zero_point, scale.dtype) == (0, "int8")
        assert scale.scale * 127 >= limit
        assert scale.scale == float(np.float16(scale.scale)) > 0


def test_asymmetric_scales_cover_the_range_and_hold_zero_exactly() -> None:
    for low, high in ((-1.0, 3.0), (0.0, 5.0), (-2.0, -1.0), (0.5, 2.0), (0.0, 0.0)):
        scale = asymmetric_scale(low, high)
        ends = (np.array([0, 255]) - scale.zero_point) * scale.scale
        assert 0 <= scale.zero_point <= 255
        assert ends[0] <= low + scale.scale / 2 + 1e-12
        assert ends[1] >= high - scale.scale / 2 - 1e-12


def test_rounding_to_fp16_goes_up_to_the_next_number() -> None:
    values = np.array([0.0, 1e-12, 0.1, 1.0, 1 + 1e-6, 60000.0])
    rounded = round_up_to_fp16(values)
    assert (rounded >= values).all()
    assert (rounded > 0).all()
    assert (rounded[2:] <= values[2:] * 1.001).all()
    assert rounded[3] == 1.0


def test_weights_have_a_scale_for_each_output_channel() -> None:
    weights = np.zeros((3, 2, 1, 1), np.float32)
    weights[0, 1], weights[1, 0] = -12.7, 1.27
    scales = weight_scales(weights)
    np.testing.assert_allclose(scales[:2], [0.1, 0.01], rtol=1e-3)
    assert scales[2] > 0  # a dead channel
    assert (np.abs(weights).max(axis=(1, 2, 3)) <= scales * 127).all()
