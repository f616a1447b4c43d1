"""What may hang is told by the table of mounts, without asking the file system itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.runtime.decoding import mounts
from pptsn.runtime.decoding.clips import Excerpt
from pptsn.runtime.decoding.decoders import decoder_count

TABLE = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /proc rw - proc proc rw
30 21 0:40 / /mnt/nas rw,relatime shared:2 master:3 - nfs4 nas:/videos rw
31 30 8:2 / /mnt/nas/local rw - ext4 /dev/sdb1 rw
32 21 0:41 / /mnt/my\\040videos rw - fuse.sshfs me@far:/ rw
33 21 0:42 / /var/lib/layers rw - fuse.fuse-overlayfs x rw
34 21 0:43 / /mnt/twice rw - cifs //a/b rw
35 21 8:3 / /mnt/twice rw - xfs /dev/sdc1 rw
"""


@pytest.fixture(autouse=True)
def _table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(TABLE)
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mountinfo")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/a.mp4", False),
        ("/mnt/nas/a.mp4", True),
        ("/mnt/nas/deep/er/a.mp4", True),
        ("/mnt/nas/../a.mp4", False),
        ("/mnt/nas2/a.mp4", False),
        ("/mnt/nas/local/a.mp4", False),
        ("/mnt/my videos/a.mp4", True),
        ("/var/lib/layers/a.mp4", False),
        ("/mnt/twice/a.mp4", False),
        ("relative.mp4", False),
    ],
)
def test_a_path_is_where_its_innermost_mount_is(path: str, expected: bool) -> None:
    assert mounts.may_hang([path]) == expected


def test_one_file_of_the_network_is_enough_for_a_process_and_a_number_is_a_number() -> None:
    few = ["/home/a.mp4", Excerpt(Path("/mnt/nas/frames"), 3)]
    assert decoder_count("auto", few[:1], busy_cores=64) == 0
    assert decoder_count("auto", few, busy_cores=64) == 1
    assert decoder_count(0, few, busy_cores=64) == 0


def test_without_a_table_nothing_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "none")
    assert not mounts.may_hang(["/mnt/nas/a.mp4"])
