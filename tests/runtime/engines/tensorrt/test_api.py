"""The two libraries behind one door, and every name of theirs that the code uses."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.engines.tensorrt.api import CapturingLogger, import_tensorrt
from pptsn.runtime.model.manifest import BUILDERS, parse_version
from tests.rtx import require_rtx

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def rtx() -> Any:
    require_rtx()
    return import_tensorrt("tensorrt-rtx")


def test_versions_are_numbers() -> None:
    assert parse_version("10.3.0") == (10, 3, 0)
    assert parse_version("10.13.3.9.post1") == (10, 13, 3, 9)
    assert parse_version("10.13") > parse_version("10.3")
    with pytest.raises(ValueError, match="is no version"):
        parse_version("dev")


@pytest.mark.parametrize(
    ("name", "module", "remedy"),
    [
        ("tensorrt", "tensorrt", "JetPack.*--system-site-packages.*pip install tensorrt --extra-index-url"),
        ("tensorrt-rtx", "tensorrt_rtx_bindings", r"pip install 'pptsn\[rtx\]'"),
    ],
)
def test_a_missing_library_says_where_it_comes_from(
    name: str, module: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=f"^{name}: .*{remedy}"):
        import_tensorrt(name)


def test_a_stub_without_its_libraries_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="11.0.0"))  # type: ignore[arg-type]
    with pytest.raises(MissingDependencyError, match="not usable here"):
        import_tensorrt("tensorrt")


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match="tensorrt, tensorrt-rtx"):
        import_tensorrt("openvino")


def test_the_logger_keeps_errors_and_is_verbose_on_request() -> None:
    logger = CapturingLogger()
    for level, message in enumerate(["internal", "error", "warning", "info", "verbose"]):
        logger.log(level, message)
    assert logger.errors() == ["internal", "error"]
    assert logger.warnings() == ["warning"]
    assert logger.messages() == []
    logger.verbose = True
    logger.log(4, "more")
    assert logger.messages() == ["more"]
    logger.clear()
    assert (logger.errors(), logger.warnings(), logger.messages()) == ([], [], [])


def test_a_library_has_one_logger(rtx: Any) -> None:
    logger = rtx.logger()
    assert logger is import_tensorrt("tensorrt-rtx").logger()
    assert isinstance(logger, rtx.module.ILogger)
    assert isinstance(logger, CapturingLogger)


def test_the_library_speaks_to_the_logger(rtx: Any) -> None:
    logger = rtx.logger()
    logger.clear()
    network = rtx.module.Builder(logger).create_network(0)
    assert not rtx.module.OnnxParser(network, logger).parse(b"no model")
    assert any("parse" in message for message in logger.errors())


def test_the_version_is_that_of_the_package(rtx: Any) -> None:
    assert rtx.name in BUILDERS
    assert rtx.version >= (1, 5)
    assert rtx.version_text.startswith(".".join(map(str, rtx.version)))


# ---- Every attribute of the library that the code names exists in it, or is asked for by getattr with a default.

MODULES = {"module", "trt"}
# What our variables and attributes are called, and which of the library's classes they hold.
HOLDERS = {
    "builder": "Builder",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "engine": "ICudaEngine",
    "error": "ParserError",
    "inspector": "EngineInspector",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "profile": "IOptimizationProfile",
    "crops": "ITensor",
    "runtime": "Runtime",
}
# Attributes of our own objects that share a name with one of the above.
OURS = {
    "engine": {"spec", "batch_size", "identity", "infer", "notes", "close"},
    "context": {"push", "pop"},
    "error": {"cause", "remedy", "strerror", "thing"},
    "profile": set(),
    "crops": {"address", "host", "upload", "free", "shape"},
}
SOURCES = [
    path
    for folder in (ROOT / "convert" / "engine", ROOT / "runtime" / "engines" / "tensorrt")
    for path in sorted(folder.glob("*.py"))
    if not path.name.startswith("cuda")  # another library's names
]


def named(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the chains of attributes on the library's module or on what is known to hold an object of it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            parts: list[str] = []
            inner: ast.expr = node
            while isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name):
                parts.append(inner.id)
            chain = list(reversed(parts))
            for start, part in enumerate(chain[:-1]):
                holder = part.removeprefix("_")
                if holder in MODULES or holder in HOLDERS:
                    yield (holder, *chain[start + 1 :])
                    break


def lacking(library: Any, chain: tuple[str, ...]) -> bool:
    """Whether the library does not have what a chain names."""
    holder, *names = chain
    if names[0] in OURS.get(holder, ()):
        return False
    found = library.module if holder in MODULES else getattr(library.module, HOLDERS[holder])
    for name in names:
        if not hasattr(found, name):
            return True
        found = getattr(found, name)
        if isinstance(found, property) or (callable(found) and not isinstance(found, type)):
            return False  # what a call or a property gives is not followed
    return False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_name_of_the_library_exists(path: Path, rtx: Any) -> None:
    wrong = {".".join(chain) for chain in named(path) if lacking(rtx, chain)}
    assert not wrong


def test_the_reader_of_names_sees_them(rtx: Any, tmp_path: Path) -> None:
    seen = {".".join(chain) for path in SOURCES for chain in named(path)}
    assert {
        "module.BuilderFlag.VERSION_COMPATIBLE",
        "builder.build_serialized_network",
        "config.set_memory_pool_limit",
        "parser.num_errors",
        "error.node_operator",
    } <= seen
    (tmp_path / "new.py").write_text("config.int8_calibrator = self._module.BuilderFlag.FP16\n")
    assert {chain for chain in named(tmp_path / "new.py") if lacking(rtx, chain)} == {
        ("config", "int8_calibrator"),
        ("module", "BuilderFlag", "FP16"),
    }
