"""Which crops of a frame the network looks at.  The one implementation of view geometry; needs no array."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.runtime.base.errors import InputError, UsageError

VIEW_PLANS = ("ten", "three", "center")


def check_views(plan: str) -> None:
    """Raise UsageError for a view plan that is none of VIEW_PLANS."""
    if not isinstance(plan, str) or plan not in VIEW_PLANS:
        raise UsageError("--views", f"unknown plan {plan!r}", f"choose one of {', '.join(VIEW_PLANS)}")


@dataclass(frozen=True)
class View:
    """A square crop of a frame: its left and top edge in pixels, and whether it is mirrored left to right."""

    x: int
    y: int
    flipped: bool = False


def ten_crop_positions(width: int, height: int, size: int) -> tuple[tuple[int, int], ...]:
    """Return the five (x, y) of ten-crop: top left, top right, bottom left, bottom right, centre.

    The step is a quarter of the margin, rounded down, so the far corners lie at 4 * step: up to 3 px short.
    """
    step_x, step_y = (width - size) // 4, (height - size) // 4
    right, bottom = 4 * step_x, 4 * step_y
    return ((0, 0), (right, 0), (0, bottom), (right, bottom), (2 * step_x, 2 * step_y))


def three_crop_positions(width: int, height: int, size: int) -> tuple[tuple[int, int], ...]:
    """Return three (x, y) along the longer side: start, middle, end; the other side is centred."""
    x, y = (width - size) // 2, (height - size) // 2
    if width >= height:
        return ((0, y), (x, y), (width - size, y))
    return ((x, 0), (x, y), (x, height - size))


def center_crop_positions(width: int, height: int, size: int) -> tuple[tuple[int, int], ...]:
    """Return the (x, y) of the centre crop, rounded down."""
    return (((width - size) // 2, (height - size) // 2),)


_POSITIONS = {"ten": ten_crop_positions, "three": three_crop_positions, "center": center_crop_positions}


# What people call them, in the same order; `three` by its longer side.
_TEN_NAMES = ("top left", "top right", "bottom left", "bottom right", "centre")
_WIDE_NAMES, _HIGH_NAMES = ("left", "centre", "right"), ("top", "centre", "bottom")


def crop_names(plan: str, width: int, height: int) -> tuple[str, ...]:
    """Return what the positions of the view plan `plan` are called in a frame of `width` x `height`, in order.

    A crop and its mirror image have one position.
    """
    check_views(plan)
    if plan == "three":
        return _WIDE_NAMES if width >= height else _HIGH_NAMES
    return _TEN_NAMES if plan == "ten" else ("centre",)


def crop_views(plan: str, width: int, height: int, *, size: int, mirror_in_graph: bool) -> tuple[View, ...]:
    """Return the crops to cut from a frame of `width` x `height` for the view plan `plan`.

    `ten` is five positions and their mirror images.  Where the graph averages each crop with its mirror image
    (`mirror_in_graph`), five crops are cut; otherwise the five mirrored ones are cut as well.  `three` and
    `center` add no mirrored crops of their own.
    """
    check_views(plan)
    if width < size or height < size:
        raise InputError(f"frame of {width}x{height}", f"is smaller than the crop of {size}x{size}")
    flips = (False, True) if plan == "ten" and not mirror_in_graph else (False,)
    return tuple(View(x, y, flip) for x, y in _POSITIONS[plan](width, height, size) for flip in flips)


def view_count(plan: str, *, mirror_in_graph: bool) -> int:
    """Return how many crops `crop_views` gives for one frame."""
    return len(crop_views(plan, 1, 1, size=1, mirror_in_graph=mirror_in_graph))
