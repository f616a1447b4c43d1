"""How the plugin is loaded, which GPU it is given, and the one line that says why not."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import onnxruntime
import pytest

from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.runtime.doctor import examine
from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.device import pci_bus_id
from tests.models import write_tiny_model
from tests.runtime.engines.onnxruntime_rtx.rtx_plugin import PACKAGE, PLACE, RtxPlugin

NAME = "onnxruntime-tensorrt-rtx"
UNCACHED = f"{NAME}?cache=0"
OTHER = "0000:0a:00.0"
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx")


@pytest.fixture(autouse=True)
def new_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ONNX Runtime be of a version that the plugin takes: Python 3.10 has an older one."""
    monkeypatch.setattr(onnxruntime, "__version__", "1.32.0")


def error_of(model: Path, device: str = "auto") -> MissingDependencyError:
    with pytest.raises(MissingDependencyError) as caught:
        open_engine(model, backend=UNCACHED, device=device)
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_library_is_loaded_once_for_several_gpus(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    plugin = RtxPlugin(monkeypatch, offered=(PLACE, OTHER), shown=(PLACE, OTHER))
    with open_engine(model, backend=UNCACHED, device="cuda:0,cuda:1"):
        assert [session.places for session in plugin.sessions] == [[PLACE], [OTHER]]
    assert len(plugin.registered) == 1


@pytest.mark.parametrize(
    ("offered", "shown", "device", "place"),
    [
        ((PLACE, OTHER), (PLACE, OTHER), "cuda", PLACE),
        ((PLACE, OTHER), (OTHER, PLACE), "cuda:0", OTHER),  # CUDA counts the fastest first
        ((PLACE, OTHER), (OTHER,), "cuda", OTHER),  # CUDA_VISIBLE_DEVICES
        ((OTHER,), (PLACE, OTHER), "cuda:1", OTHER),  # the plugin does not run on the first
        ((PLACE.upper(), OTHER.upper()), (PLACE, OTHER), "cuda:1", OTHER.upper()),
    ],
)
def test_a_gpu_is_the_one_that_cuda_counts_so(
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    offered: tuple[str, ...],
    shown: tuple[str, ...],
    device: str,
    place: str,
) -> None:
    plugin = RtxPlugin(monkeypatch, offered=offered, shown=shown)
    open_engine(model, backend=UNCACHED, device=device).close()
    assert plugin.sessions[0].places == [place]


@pytest.mark.parametrize(
    ("offered", "shown", "device", "why"),
    [
        ((), (), "cuda", "device cuda:0: CUDA shows no such GPU to this process; check its number and the driver"),
        ((PLACE,), (PLACE,), "cuda:1", "device cuda:1: CUDA shows no such GPU"),
        ((), (PLACE,), "cuda", "device cuda:0: TensorRT-RTX does not offer it: it runs on compute capability 8.6"),
        ((OTHER,), (PLACE, OTHER), "cuda:0", "device cuda:0: TensorRT-RTX does not offer it"),
    ],
)
def test_a_gpu_that_is_not_there_or_not_offered_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    offered: tuple[str, ...],
    shown: tuple[str, ...],
    device: str,
    why: str,
) -> None:
    RtxPlugin(monkeypatch, offered=offered, shown=shown)
    error = error_of(model, device)
    assert str(error).startswith(why)
    assert error.remedy


def test_a_library_that_somebody_else_loaded_is_taken(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    plugin = RtxPlugin(monkeypatch)
    plugin.registered.append("theirs.so")
    open_engine(model, backend=UNCACHED).close()
    assert plugin.registered == ["theirs.so"]


def test_the_package_that_is_missing_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    error = error_of(model)
    assert str(error).startswith("onnxruntime-ep-nv-tensorrt-rtx: the backend onnxruntime-tensorrt-rtx needs it (")
    assert error.remedy == "run: pip install 'pptsn[cpu,onnxruntime-tensorrt-rtx]'"


def test_an_onnxruntime_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    RtxPlugin(monkeypatch)
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    error = error_of(model)
    assert str(error).startswith(
        "onnxruntime: onnxruntime-tensorrt-rtx needs version 1.24 or newer, this is 1.23.2"
    )
    assert "Python 3.11 or newer: pip install 'onnxruntime>=1.24'" in error.remedy
    monkeypatch.setattr(onnxruntime, "__version__", "1.24.0")
    open_engine(model, backend=UNCACHED).close()


WHOLE = """
__version__ = "0.5.0"
def get_ep_name():
    return "NvTensorRTRTXExecutionProvider"
def get_library_path():
    return LIBRARY
"""


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str, *, library: object = "") -> None:
    """Let the package be a file with `source`."""
    (folder / f"{PACKAGE}.py").write_text(f"LIBRARY = {str(library)!r}\n{source}")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    importlib.invalidate_caches()


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no other test find the package that this one imports."""
    monkeypatch.setitem(sys.modules, PACKAGE, None)


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot open shared object file"),
        (b"no library", "(file too short|invalid ELF header)"),
        (b"\x7fELF" + bytes(2000), "."),
    ],
)
def test_a_library_that_does_not_load_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    model: Path,
    capfd: pytest.CaptureFixture[str],
    content: bytes | None,
    why: str,
) -> None:
    """By ONNX Runtime itself: nothing of it is a stand-in here."""
    library = tmp_path / "libprovider.so"
    if content is not None:
        library.write_bytes(content)
    install(monkeypatch, tmp_path, WHOLE, library=library)
    error = error_of(model)
    assert error.thing == "onnxruntime-ep-nv-tensorrt-rtx"
    assert error.cause.startswith("its library for ONNX Runtime does not load (Failed to load library /")
    assert re.search(why, error.cause)
    assert error.remedy.startswith("install it anew: pip install --force-reinstall onnxruntime-ep-nv-tensorrt-rtx")
    assert error.exit_code == 3
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("forgotten")
def test_a_library_that_is_no_plugin_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path
) -> None:
    library = find_spec("numpy._core._multiarray_umath") or find_spec("numpy.core._multiarray_umath")
    assert library is not None
    install(monkeypatch, tmp_path, WHOLE, library=library.origin)
    assert "CreateEpFactories" in error_of(model).cause


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("missing", ["libcuda.so.1", "libnvidia-ml.so.1"])
def test_a_library_that_misses_the_driver_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path, missing: str
) -> None:
    def fail(name: str, library: str) -> None:
        raise RuntimeError(
            f"Failed to load library {library} with error: {missing}: cannot open shared object file"
        )

    install(monkeypatch, tmp_path, WHOLE, library=tmp_path / f"{missing}.so")
    monkeypatch.setattr(onnxruntime, "register_execution_provider_library", fail)
    assert error_of(model).remedy == (
        "it needs NVIDIA's driver: check it by nvidia-smi; or use --backend onnxruntime"
    )


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("raise OSError('libtensorrt_rtx.so: file too short')", "cannot be imported (OSError: libtensorrt_rtx.so"),
        ("import no_such_library", "needs it (No module named 'no_such_library')"),
        ("", "has no attribute '__version__'"),
        (
            f"{WHOLE}\ndef get_library_path():\n    raise FileNotFoundError('No EP library')",
            "load (No EP library)",
        ),
    ],
)
def test_a_package_that_is_broken_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path, source: str, why: str
) -> None:
    install(monkeypatch, tmp_path, source)
    error = error_of(model)
    assert why in str(error)
    assert "pip install" in error.remedy


NOISY = f"""
import logging, os
os.environ["LD_LIBRARY_PATH"] = "/of/the/plugin"
logging.getLogger(__name__).warning("Could not fix %s:\\nsessions may fail", "links")
{WHOLE}
"""


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("before", [None, "/mine"])
def test_what_the_package_does_on_import_stays_in_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    model: Path,
    caplog: pytest.LogCaptureFixture,
    before: str | None,
) -> None:
    if before is None:
        monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    else:
        monkeypatch.setenv("LD_LIBRARY_PATH", before)
    RtxPlugin(monkeypatch)
    install(monkeypatch, tmp_path, NOISY, library=tmp_path / "libprovider.so")
    with open_engine(model, backend=UNCACHED) as engine:
        assert engine.notes == ("Could not fix links: sessions may fail",)
    assert os.environ.get("LD_LIBRARY_PATH") == before
    assert caplog.records == []  # else it would be on standard error too


@pytest.mark.usefixtures("forgotten")
def test_what_the_package_warned_of_is_said_where_its_library_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path
) -> None:
    install(monkeypatch, tmp_path, NOISY, library=tmp_path / "libprovider.so")
    assert error_of(model).cause.endswith("; Could not fix links: sessions may fail)")


def test_the_doctor_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = RtxPlugin(monkeypatch)
    (finding,) = [each for each in examine()["engines"] if each["name"] == NAME]
    assert finding == {"name": NAME, "device": "cuda:0", "works": True, "problem": None}
    assert [session.shapes for session in plugin.sessions if session.places] == [[1]]


def test_without_a_driver_cuda_shows_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pptsn.runtime.engines.device._DRIVER", "libno-such-driver.so.1")
    assert pci_bus_id(0) is None


OPENED = """
import sys
from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.engines import open_engine
try:
    open_engine(sys.argv[1], backend="onnxruntime-tensorrt-rtx?cache=0").close()
except PptsnError as error:
    print(type(error).__name__, error)
else:
    print("it runs")
"""


def test_the_real_wheel_is_what_is_taken_for_it(model: Path) -> None:
    """In a process of its own, which loads its libraries."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the plugin's package is not installed")
    (folder,) = spec.submodule_search_locations
    header = Path(folder, "tensorrt_rtx_provider_options.h").read_text()
    names = ("min_shapes", "opt_shapes", "max_shapes")
    assert all(f'"nv_profile_{name}"' in header for name in names)
    assert '"nv_runtime_cache_path"' in header
    run = subprocess.run(
        [sys.executable, "-c", OPENED, str(model)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    reasons = ("it needs NVIDIA's driver", "CUDA shows no such GPU", "TensorRT-RTX does not offer it", "it runs")
    assert any(reason in run.stdout for reason in reasons), run.stdout
    assert len(run.stdout.splitlines()) == 1
