"""Fetching weights: through cuts, with checksums, onto full disks; failures are lines, files whole or absent."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import socket
import subprocess
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, ModelError, PptsnError, UsageError
from pptsn.runtime.base.temporary import lock_file
from pptsn.training.downloads import transfer
from pptsn.training.downloads.catalogue import PUBLISHED, Weights, weights_of
from pptsn.training.downloads.store import Fetched, WeightStore, found_weights
from pptsn.training.downloads.transfer import Limits
from tests.disks import small_disk
from tests.training.downloads.serving import Served, serving


def weights_file(value: int, count: int = 1_024_000) -> bytes:
    """A checkpoint of so many bytes, and a few more."""
    return pickle.dumps({"w": np.full(count, value, np.uint8)}, protocol=4)


CONTENT, OTHER = weights_file(1), weights_file(2)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
QUICK = Limits(timeout_s=5, tries=3, first_wait_s=0.001, longest_wait_s=0.002)
_Usage = namedtuple("_Usage", ["total", "used", "free"])


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Served(CONTENT)) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "weights")


def fetch(store: WeightStore, served: Served, *, sha256: str | None = None, limits: Limits = QUICK) -> Fetched:
    return store.fetch(Weights("best.pdparams", served.url), sha256=sha256, limits=limits)


def refused(store: WeightStore, served: Served, kind: type[PptsnError] = InputError, **how: object) -> str:
    """Fetch in vain, and return the line."""
    with pytest.raises(kind) as caught:
        fetch(store, served, **how)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(store: WeightStore) -> set[str]:
    return {path.name for path in store.folder.iterdir()}


def test_what_is_fetched_is_there_whole_with_its_checksum(store: WeightStore, served: Served) -> None:
    got = fetch(store, served)
    assert got.path.read_bytes() == CONTENT
    assert (got.sha256, got.was_there, got.was_known) == (DIGEST, False, False)
    assert names(store) == {"best.pdparams", "best.pdparams.sha256"}
    checked = subprocess.run(["sha256sum", "-c", "best.pdparams.sha256"], cwd=store.folder, capture_output=True)
    assert checked.returncode == 0


def test_five_cut_connections_are_taken_up_where_they_were(store: WeightStore, served: Served) -> None:
    served.cuts = [100_000] * 5
    assert fetch(store, served).path.read_bytes() == CONTENT
    assert served.asked == ["", *(f"bytes={100_000 * n}-" for n in range(1, 6))]


def test_five_connections_that_bring_nothing_are_survived_by_default(store: WeightStore, served: Served) -> None:
    served.cuts = [100_000, 0, 0, 0, 0, 0]
    limits = Limits(timeout_s=5, first_wait_s=0.001, longest_wait_s=0.002)
    assert fetch(store, served, limits=limits).path.read_bytes() == CONTENT
    assert served.asked[1:] == ["bytes=100000-"] * 6


def test_the_next_run_goes_on_where_one_gave_up(store: WeightStore, served: Served) -> None:
    served.cuts = [300_000, 0, 0]
    line = refused(store, served)
    assert "the connection was cut, 3 times in a row; 0.3 MB are there; run it again to go on from there" in line
    assert names(store) == {"best.pdparams.part", "best.pdparams.part.json"}
    served.asked.clear()
    assert fetch(store, served).path.read_bytes() == CONTENT
    assert served.asked == ["bytes=300000-"]
    assert names(store) == {"best.pdparams", "best.pdparams.sha256"}


def test_what_stays_of_a_cut_download_holds_no_signature_of_its_address(
    store: WeightStore, served: Served
) -> None:
    served.url, served.cuts = f"{served.url}?signature=s3cret", [300_000, 0, 0]
    assert "s3cret" not in refused(store, served)
    assert names(store) == {"best.pdparams.part", "best.pdparams.part.json"}
    assert "s3cret" not in (store.folder / "best.pdparams.part.json").read_text()
    served.asked.clear()
    assert fetch(store, served).path.read_bytes() == CONTENT
    assert served.asked == ["bytes=300000-"]


def test_a_file_that_was_changed_meanwhile_begins_anew(store: WeightStore, served: Served) -> None:
    served.cuts = [300_000, 0, 0]
    refused(store, served)
    served.content, served.etag = OTHER, '"v2"'
    assert fetch(store, served).path.read_bytes() == OTHER


def test_a_server_that_sends_parts_of_another_file_is_not_believed(store: WeightStore, served: Served) -> None:
    served.modified = "Thu, 01 Jan 2026 00:00:00 GMT"
    served.etag = ""
    served.cuts = [300_000, 0, 0]
    refused(store, served)
    served.content = weights_file(2, 1_024_001)  # changed, but not its time: only its length tells
    assert fetch(store, served).path.read_bytes() == served.content


def test_a_part_that_nobody_asked_for_is_not_taken(store: WeightStore, served: Served) -> None:
    served.always_parts = True
    assert "the server sends a part of it, though all was asked for, 3 times in a row" in refused(store, served)
    assert names(store) == set()


@pytest.mark.parametrize("how", [{"ranges": False}, {"etag": ""}, {"etag": 'W/"v1"'}])
def test_a_server_without_ranges_or_proof_of_sameness_sends_all_again(
    store: WeightStore, served: Served, how: dict[str, object]
) -> None:
    vars(served).update(how)
    served.cuts = [300_000, 400_000]
    assert fetch(store, served).path.read_bytes() == CONTENT
    assert len(served.asked) == 3


def test_one_that_always_cuts_at_the_same_place_is_given_up(store: WeightStore, served: Served) -> None:
    served.ranges, served.cuts = False, [300_000] * 9
    assert "the connection was cut, 4 times in a row" in refused(store, served, limits=Limits(5, 4, 10**7, 0.001))


def test_passing_troubles_of_a_server_are_waited_for(store: WeightStore, served: Served) -> None:
    served.statuses = [503, 429]
    assert fetch(store, served).sha256 == DIGEST


@pytest.mark.parametrize(
    ("status", "said"), [(404, "404 Not Found; check the address"), (403, "403 Forbidden; check that the address")]
)
def test_a_refusal_is_a_line_at_once(store: WeightStore, served: Served, status: int, said: str) -> None:
    served.statuses = [status]
    assert f"{served.url}: the server answers {said}" in refused(store, served)
    assert len(served.asked) == 1
    assert names(store) == set()


def test_a_web_page_in_its_place_is_refused(store: WeightStore, served: Served) -> None:
    served.kind = "text/html; charset=utf-8"
    assert "is a web page, no file of weights" in refused(store, served)
    assert names(store) == set()


@pytest.mark.parametrize("is_given", [False, True])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the server sends an empty file; check the address"),
        (b"<p>Not found", "no weights came (is no readable pickle of arrays"),
        (b"\x08\x07model", "no weights came (is an ONNX model, expected a checkpoint"),
        (CONTENT[:-10], "no weights came (is no readable pickle of arrays"),
        (pickle.dumps({}), "no weights came (holds no array"),
        (pickle.dumps([1.0]), "no weights came (holds a list"),
        (
            pickle.dumps({"a": "b"}),
            "no weights came (its entry 'a' is a str, expected an array); it was thrown away",
        ),
        (b"cos\nsystem\n(S'true'\ntR.", "no weights came (refused: it holds os.system"),
    ],
)
def test_what_is_no_weights_is_neither_kept_nor_recorded(
    store: WeightStore, served: Served, content: bytes, said: str, is_given: bool
) -> None:
    served.content = content
    digest = hashlib.sha256(content).hexdigest() if is_given else None
    assert said in refused(store, served, PptsnError, sha256=digest)
    assert names(store) == set()
    served.content = CONTENT
    assert fetch(store, served).sha256 == DIGEST


def test_an_answer_without_content_is_no_file_and_spoils_none(store: WeightStore, served: Served) -> None:
    served.cuts = [300_000, 0, 0]
    refused(store, served)
    served.statuses = [204]
    assert "the server sends an empty file" in refused(store, served)
    served.asked.clear()
    assert fetch(store, served).path.read_bytes() == CONTENT
    assert served.asked == ["bytes=300000-"]


def test_a_file_put_there_by_hand_is_recorded_where_it_is_weights(store: WeightStore, served: Served) -> None:
    store.folder.mkdir()
    path = store.folder / "best.pdparams"
    path.write_bytes(b"a page that says: not found")
    assert "is no readable pickle of arrays" in refused(store, served, ModelError)
    assert names(store) == {"best.pdparams"}
    path.write_bytes(OTHER)
    assert fetch(store, served).sha256 == hashlib.sha256(OTHER).hexdigest()
    assert served.asked == []


def test_numbers_without_end_are_no_numbers(store: WeightStore, served: Served) -> None:
    """Python reads none of more than 4300 digits."""
    served.length = "9" * 5000
    assert "does not say how long it is" in refused(store, served)
    served.length, served.cuts = "", [300_000]
    served.content_range = f"bytes 300000-{'9' * 5000}/{'9' * 5000}"
    assert fetch(store, served).path.read_bytes() == CONTENT
    assert served.asked[1:] == ["", "bytes=300000-", ""]


@pytest.mark.parametrize(
    "damage", [{"validator": 1}, {"total": "1024"}, {"total": [1]}, {"validator": ""}, {"more": 1}, None]
)
def test_a_part_whose_record_is_damaged_counts_for_nothing(
    store: WeightStore, served: Served, damage: dict[str, object] | None
) -> None:
    served.cuts = [300_000, 0, 0]
    refused(store, served)
    record = store.folder / "best.pdparams.part.json"
    known = json.loads(record.read_text())
    record.write_text("[" * 100_000 if damage is None else json.dumps(known | damage))
    served.asked.clear()
    assert fetch(store, served).path.read_bytes() == CONTENT
    assert served.asked == [""]


def test_no_network_is_a_line_at_once(store: WeightStore, served: Served) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        served.url = f"http://127.0.0.1:{free.getsockname()[1]}/best.pdparams"
    assert "cannot be reached (Connection refused); check the network and the address" in refused(store, served)
    served.url = "http://no-such-host.invalid/best.pdparams"
    assert "no-such-host.invalid/best.pdparams: cannot be reached (" in refused(store, served)


def test_a_server_that_says_nothing_is_left(store: WeightStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        served = Served(url=f"http://127.0.0.1:{silent.getsockname()[1]}/best.pdparams")
        line = refused(store, served, limits=Limits(timeout_s=0.05, tries=2, first_wait_s=0.001))
    assert "cannot be reached (its answer takes too long to begin)" in line


def test_a_wrong_checksum_is_refused_and_nothing_of_it_stays(store: WeightStore, served: Served) -> None:
    wrong = "0" * 64
    line = refused(store, served, ModelError, sha256=wrong)
    assert f"best.pdparams: what came has the SHA-256 {DIGEST}, expected {wrong}; it was thrown away" in line
    assert names(store) == set()
    assert fetch(store, served, sha256=DIGEST.upper()).was_known


def test_the_first_checksum_is_enforced_afterwards(store: WeightStore, served: Served) -> None:
    path = fetch(store, served).path
    assert fetch(store, served).was_there
    path.unlink()
    served.content, served.etag = OTHER, '"v2"'
    other = hashlib.sha256(OTHER).hexdigest()
    assert f"what came has the SHA-256 {other}, expected {DIGEST}" in refused(store, served, ModelError)
    assert not path.exists()
    assert fetch(store, served, sha256=other).path.read_bytes() == OTHER
    assert store.recorded(path) == other


def test_a_file_that_was_altered_is_told(store: WeightStore, served: Served) -> None:
    path = fetch(store, served).path
    path.write_bytes(CONTENT[:-1] + b"x")
    assert "expected " + DIGEST in refused(store, served, ModelError)
    assert path.exists()


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, "0" * 63, "0" * 65])
def test_what_is_no_checksum_is_refused(store: WeightStore, served: Served, digest: str) -> None:
    assert "expected 64 hexadecimal digits" in refused(store, served, UsageError, sha256=digest)
    assert served.asked == []


def test_a_damaged_record_is_told(store: WeightStore, served: Served) -> None:
    path = fetch(store, served).path
    path.with_name("best.pdparams.sha256").write_text("nonsense\n")
    assert "is no record of a checksum" in refused(store, served, ModelError)


def test_a_disk_that_has_no_room_for_it_is_told_before(
    store: WeightStore, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: _Usage(10**6, 10**6, 10_000))
    assert "1.0 MB are to come, 0.0 MB are free; make room" in refused(store, served)


@pytest.fixture(name="small_disk")
def small_disk_of_512_kb(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", kilobytes=512) as place:
        yield place


def test_a_disk_that_fills_up_keeps_what_came_for_the_next_run(
    small_disk: Path, tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: _Usage(10**9, 0, 10**9))  # others fill it, too
    store = WeightStore(small_disk)
    line = refused(store, served)
    assert "best.pdparams.part: cannot be written (No space left on device); make room, then run it again" in line
    assert names(store) == {"best.pdparams.part", "best.pdparams.part.json"}
    roomy = WeightStore(Path(shutil.copytree(small_disk, tmp_path / "roomy")))
    served.asked.clear()
    assert fetch(roomy, served).path.read_bytes() == CONTENT
    assert int(served.asked[0].removeprefix("bytes=").removesuffix("-")) > 200_000


def test_a_disk_that_fills_up_is_a_line_everywhere(
    store: WeightStore, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with a stand-in for the disk, as not every machine lets one be mounted."""

    class Full:
        def __init__(self, path: Path, mode: str) -> None:
            self._stream = open(path, mode)  # noqa: SIM115

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self._stream.close()

        def write(self, block: bytes) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(transfer, "open", Full, raising=False)
    assert "cannot be written (No space left on device)" in refused(store, served)
    assert "best.pdparams" not in names(store)


def test_a_file_beyond_all_bounds_is_refused(store: WeightStore, served: Served) -> None:
    small = Limits(timeout_s=5, tries=2, most_bytes=1000, first_wait_s=0.001)
    assert "has 1 MB, more than the 0 MB that weights may" in refused(store, served, limits=small)
    served.chunked = True
    assert "sends more than the 0 MB" in refused(store, served, limits=small, sha256=DIGEST)
    assert names(store) == set()


@pytest.mark.parametrize("how", [{"chunked": True}, {"says_length": False}])
def test_without_a_length_a_checksum_is_asked_for(
    store: WeightStore, served: Served, how: dict[str, object]
) -> None:
    vars(served).update(how)
    assert "does not say how long it is, so that a cut could not be told; give its" in refused(store, served)
    assert fetch(store, served, sha256=DIGEST).path.read_bytes() == CONTENT


def test_two_at_once_do_not_spoil_each_other(store: WeightStore, served: Served) -> None:
    store.folder.mkdir()
    waiting = subprocess.Popen(
        ["flock", "--no-fork", str(store.folder / ".best.pdparams.lock"), "sleep", "30"], stdout=subprocess.PIPE
    )
    try:
        line = ""
        for _ in range(500):
            try:
                with lock_file(store.folder / ".best.pdparams.lock"):
                    pass
                time.sleep(0.02)  # the other has not begun
            except BlockingIOError:
                line = refused(store, served, UsageError)
                break
        assert "is being fetched by another process" in line
    finally:
        waiting.kill()
        waiting.wait()


def test_a_redirection_is_followed_to_addresses_of_the_web_alone(
    store: WeightStore, served: Served, tmp_path: Path
) -> None:
    with serving(Served(statuses=[302], location=served.url)) as other:
        assert fetch(store, other).path.read_bytes() == CONTENT
    (tmp_path / "secret").write_text("x")
    for location in (f"file://{tmp_path}/secret", "", "/"):  # the last leads to itself
        with serving(Served(statuses=[302] * 20, location=location)) as other:
            line = refused(WeightStore(tmp_path / "other"), other)
            assert "the server leads to no file on the web; check the address" in line


@pytest.mark.parametrize(
    ("drips", "complaint"),
    [
        ("status", "takes too long to begin"),
        ("headers", "takes too long to begin"),
        ("continue", "takes too long to begin"),
        ("body", "which is too slow; check the network; run it again to go on from there"),
    ],
)
def test_a_server_that_drips_is_left(store: WeightStore, served: Served, drips: str, complaint: str) -> None:
    served.drips = drips
    assert complaint in refused(store, served, limits=Limits(timeout_s=0.3, tries=1))


@pytest.mark.parametrize("location", ["http://[::1/x", "//[", "http://u:sesame@h:p/x", "http://\u00e9[/", "http:"])
def test_a_redirection_to_no_address_is_one_line(store: WeightStore, location: str) -> None:
    with serving(Served(statuses=[302] * 20, location=location)) as other:
        line = refused(store, other)
    assert "leads " in line
    assert "sesame" not in line


@pytest.mark.parametrize("proxy", ["no proxy s3cret", "http://u:s3cret@h:port", "ftp://u:s3cret@h", "http://["])
def test_a_proxy_that_makes_no_sense_is_not_tried_nor_told(
    store: WeightStore,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    proxy: str,
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    assert "http_proxy names no proxy" in refused(store, served)
    assert capsys.readouterr().err == ""


def test_a_proxy_that_is_away_is_named(
    store: WeightStore, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://u:s3cret@127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    line = refused(store, served)
    assert line.endswith("; check the network and the address and http_proxy")
    assert "s3cret" not in line


def test_what_comes_with_a_redirection_is_not_read(store: WeightStore, served: Served) -> None:
    with serving(Served(statuses=[302], location=served.url, status_bytes=100_000_000)) as other:
        assert fetch(store, other).path.read_bytes() == CONTENT
    assert other.status_sent < other.status_bytes, "or it is as much as the server likes"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ppTSM_k400", "is no published weights' name; name one of ppTSN_k400, ppTSN_k400_8, ResNet50_vd_ssld_v2"),
        ("file:///etc/passwd", "expected one of http:// or https://"),
        ("ftp://host/x.pdparams", "expected one of http:// or https://"),
        ("https:///x.pdparams", "expected one of http:// or https://"),
        ("https://host:port/x", "expected one of http:// or https://"),
        ("https://me:hunter2@host/x.pdparams", "https://host/x.pdparams: holds credentials"),
        ("https://host/a b.pdparams", "is not percent-encoded"),
        ("https://host/a\n.pdparams", "is not percent-encoded"),
    ],
)
def test_what_names_no_weights_is_one_line_without_secrets(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        weights_of(text)
    assert complaint in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_names_and_addresses_of_published_weights_are_one() -> None:
    for weights in PUBLISHED:
        for text in (weights.name, weights.file, weights.name.lower(), weights.url):
            assert weights_of(text) is weights


def test_other_addresses_have_names_of_their_own() -> None:
    one, other = weights_of("https://a/best.pdparams"), weights_of("https://b/best.pdparams?token=1")
    assert one.file != other.file
    assert one.file.startswith("best-")
    assert one.file.endswith(".pdparams")
    for odd in ("https://a", "https://a/", "https://a/..", "https://a/%2e%2e%2fx", "https://a/%00", "https://a/-"):
        assert "/" not in weights_of(odd).file
        assert not weights_of(odd).file.startswith(".")


def test_a_recipe_finds_fetched_weights_by_name(
    store: WeightStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving(Served(CONTENT)) as served:
        path = store.fetch(Weights("ppTSN_k400.pdparams", served.url), limits=QUICK).path
    for name in ("ppTSN_k400.pdparams", "ppTSN_k400"):
        assert found_weights(Path(name), store) == path
    with pytest.raises(InputError, match=r"is not there; run: pptsn weights fetch ppTSN_k400_8$"):
        found_weights(Path("ppTSN_k400_8.pdparams"), store)
    for name in ("ppTSM.pdparams", "data/ppTSN_k400.pdparams"):
        assert found_weights(Path(name), store) == Path(name)
    Path("ppTSN_k400").touch()
    assert found_weights(Path("ppTSN_k400"), store) == Path("ppTSN_k400"), "a file of that name comes first"
    path.write_bytes(b"altered")
    with pytest.raises(ModelError, match="is not what was fetched"):
        found_weights(Path("ppTSN_k400.pdparams"), store)


def test_the_command_fetches_lists_and_tells(run, served: Served, users_cache: Path) -> None:
    served.cuts = [500_000]
    ending = run("weights", "fetch", served.url)
    assert ending.code == 0, ending.err
    (path,) = (users_cache / "pptsn" / "weights").glob("best-????????.pdparams")
    assert ending.out == f"{path}: 1.0 MB, SHA-256 {DIGEST} recorded now\n"
    assert "the connection was cut; going on at 0.5 MB" in ending.err
    assert run("weights", "fetch", served.url).out.endswith("as recorded, was there\n")
    listed = run("weights", "list").out.splitlines()
    assert listed[:9:3] == [f"{weights.name}: {weights.about}" for weights in PUBLISHED]
    assert listed[2] == "  not fetched"
    assert listed[-2:] == [path.name, f"  {path}, SHA-256 {DIGEST}"]
    failed = run("weights", "fetch", served.url, "--sha256", "0" * 64)
    assert (failed.code, len(failed.err.splitlines())) == (1, 1)
