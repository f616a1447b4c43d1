"""What a Jetson's own files say, with files of their form."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.runtime import doctor
from pptsn.runtime.jetpack import chip, jetpack_of, unfit_tensorrt
from tests.runtime.test_doctor import text


@pytest.mark.parametrize(
    ("major", "revision", "name"),
    [
        (36, "4.3", "6"),
        (38, "2.0", "7.0"),
        (38, "2.1", "7.0"),
        (38, "4.0", "7.1"),
        (39, "2.0", "7.2"),
        (39, "2.1", "7.2.1"),
        (39, "2.2", "7.2.2"),
        (39, "3.0", "7.2.2"),
    ],
)
def test_a_jetpack_is_known_by_its_release(major: int, revision: str, name: str) -> None:
    line = f"# R{major} (release), REVISION: {revision}, GCID: 1, BOARD: generic, EABI: aarch64, DATE: Fri"
    found = jetpack_of(line)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("line", [None, "", "no release", "# R32 (release), REVISION: 7.1, GCID: 1"])
def test_an_unknown_release_has_no_name(line: str | None) -> None:
    assert jetpack_of(line) is None


@pytest.mark.parametrize(
    ("compatible", "found"),
    [
        (b"nvidia,p3737-0000+p3701-0005\0nvidia,tegra234\0", "tegra234"),
        (b"nvidia,tegra264\0", "tegra264"),
        (b"a\0", None),
    ],
)
def test_the_chip_is_in_the_device_tree(tmp_path: Path, compatible: bytes, found: str | None) -> None:
    assert chip(tmp_path) is None
    (tmp_path / "proc" / "device-tree").mkdir(parents=True)
    (tmp_path / "proc" / "device-tree" / "compatible").write_bytes(compatible)
    assert chip(tmp_path) == found


def test_tensorrt_10_13_has_nothing_for_orin() -> None:
    problem = unfit_tensorrt("tegra234", "10.13.3.9")
    assert problem is not None
    assert "10.13.3.9 has no kernels for Orin (compute capability 8.7)" in problem
    for board, version in (
        ("tegra234", "10.3.0"),
        ("tegra234", "10.16.2"),
        ("tegra264", "10.13.3"),
        (None, "10.13.3"),
    ):
        assert unfit_tensorrt(board, version) is None
    assert unfit_tensorrt("tegra234", None) is None


def test_the_doctor_names_jetpack_and_board_and_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "# R39 (release), REVISION: 2.0, GCID: 1, BOARD: generic, EABI: aarch64, DATE: Fri"
    monkeypatch.setattr(doctor, "_first_line", lambda path: line if path.name == "nv_tegra_release" else None)
    monkeypatch.setattr(doctor, "chip", lambda: "tegra264")
    findings = doctor.examine()
    assert findings["machine"]["jetpack"] == "JetPack 7.2 (TensorRT 10.16; CUDA 13.2; Orin and Thor)"
    assert "Thor, compute capability 11.0" in text(findings)
    monkeypatch.setattr(doctor, "chip", lambda: "tegra234")
    monkeypatch.setattr(doctor.Requirement, "found", lambda self: "10.13.3" if self.name == "tensorrt" else None)
    assert any("has no kernels for Orin" in note for note in doctor.examine()["notes"])
