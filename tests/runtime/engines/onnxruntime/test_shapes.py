import pytest

from pptsn.runtime.engines.onnxruntime.shapes import as_text, padded, prepared_shapes


@pytest.mark.parametrize(
    ("batch_size", "frame_crops", "shapes"),
    [
        (64, 5, (5, 8, 16, 32, 64)),
        (64, 10, (10, 16, 32, 64)),
        (64, 3, (3, 8, 16, 32, 64)),
        (64, 1, (1, 4, 8, 16, 32, 64)),
        (50, 5, (5, 8, 16, 32, 50)),
        (6, 5, (5, 6)),
        (5, 5, (5,)),
        (3, 5, (3,)),
    ],
)
def test_the_shapes_are_a_frame_the_full_batch_and_powers_of_two_between(
    batch_size: int, frame_crops: int, shapes: tuple[int, ...]
) -> None:
    assert prepared_shapes(batch_size, frame_crops) == shapes


@pytest.mark.parametrize("batch_size", [1, 2, 7, 33, 64, 125, 200])
@pytest.mark.parametrize("frame_crops", [1, 3, 5, 10])
def test_above_one_frame_nothing_is_padded_to_more_than_twice_its_size(batch_size: int, frame_crops: int) -> None:
    shapes = prepared_shapes(batch_size, frame_crops)
    assert list(shapes) == sorted(set(shapes))
    assert len(shapes) <= 8
    for count in range(1, batch_size + 1):
        rows = padded(count, shapes)
        assert rows >= count
        assert rows <= max(2 * count, frame_crops)


def test_shapes_read_as_a_list() -> None:
    assert as_text((5,)) == "5"
    assert as_text((5, 64)) == "5 or 64"
    assert as_text((5, 8, 64)) == "5, 8 or 64"
