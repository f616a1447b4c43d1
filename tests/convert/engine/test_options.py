from __future__ import annotations

import pytest

from pptsn.convert.engine.options import DEFAULT_BATCH, BuildOptions, parse_batch, parse_compute_capabilities
from pptsn.runtime.base.errors import UsageError


def test_a_batch_is_three_numbers_in_order() -> None:
    assert parse_batch("1,50,125") == (1, 50, 125)
    assert parse_batch("1,64,64") == DEFAULT_BATCH  # no memory for batches that no video fills
    assert parse_batch(" 4, 4 ,4 ") == (4, 4, 4)


@pytest.mark.parametrize(
    "text",
    ["", "8", "1,2", "1,2,3,4", "1,two,3", "1,2.5,3", "-1,2,3", "1,,3", "\u0663,\u0664,\u0665", "1,2,99999999999"],
)
def test_a_batch_that_is_no_three_numbers_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--batch: expected three numbers MIN,OPT,MAX, got .*1,64,64"):
        parse_batch(text)


@pytest.mark.parametrize("text", ["9,8,7", "1,9,8", "5,4,9", "0,1,2", "0,0,0"])
def test_a_batch_out_of_order_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match=f"^--batch: expected 1 <= MIN <= OPT <= MAX, got {text}"):
        parse_batch(text)


def test_compute_capabilities_come_as_a_list_or_repeated() -> None:
    assert parse_compute_capabilities(["8.6, 8.9", "12.0", "8.6"]) == ("8.6", "8.9", "12.0")
    for text in ("86", "8", "sm_86", "8.6,", "8.61"):
        with pytest.raises(UsageError, match=r"^--compute-capability: .* is none; write it as in 8\.6"):
            parse_compute_capabilities([text])


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--builder", {"builder": "openvino"}),
        ("--batch", {"batch": (2, 1, 3)}),
        ("--workspace-mb", {"workspace_mb": 0}),
        ("--optimization-level", {"optimization_level": 6}),
        ("--compute-capability", {"compute_capabilities": ("8.6",)}),
        ("--timing-cache", {"builder": "tensorrt-rtx", "timing_cache": "cache"}),
        ("--hardware-compatible", {"builder": "tensorrt-rtx", "hardware_compatible": True}),
        ("--version-compatible", {"builder": "tensorrt-rtx", "version_compatible": True}),
    ],
)
def test_an_option_that_cannot_be_met_is_named(option: str, values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"^{option}: .*"):
        BuildOptions(**values)  # type: ignore[arg-type]
