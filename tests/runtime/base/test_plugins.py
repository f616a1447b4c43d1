"""Registries, with a package in a folder of the tests that adds kinds to them."""

from __future__ import annotations

import importlib
import sys
from abc import ABC, abstractmethod
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import pytest

from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.runtime.base.plugins import PluginError, Registry, Requirement

GROUP = "pptsn.test_kinds"
HERE = "tests.runtime.base.test_plugins"


class Kind(ABC):
    help: ClassVar[str] = ""
    options: ClassVar[type] = object

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def act(self) -> str: ...


class Plain(Kind):
    def act(self) -> str:
        return "plainly"


def registry() -> Registry[type[Kind]]:
    return Registry(GROUP, {"plain": f"{HERE}:Plain", "again": f"{HERE}:Plain"}, base=Kind)


def install(folder: Path, module: str, *, package: str = "foreign", **entries: str) -> None:
    """Put a package with `entries` (name to attribute) into `folder`, as pip would."""
    facts = folder / f"{package}-2.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n")
    lines = [f"{name} = foreign_kinds:{attribute}" for name, attribute in entries.items()]
    (facts / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    (folder / "foreign_kinds.py").write_text(module)


MODULE = f"""
from {HERE} import Kind

class Odd(Kind):
    def act(self):
        return "oddly"

class Unfinished(Kind):
    pass

odd = Odd("made already")
text = "no kind"

class Proud(Odd):
    def __init__(self):
        pass
"""


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a package, on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "foreign_kinds", raising=False)
    importlib.invalidate_caches()
    return tmp_path


def test_our_kinds_are_loaded_by_name() -> None:
    kinds = registry()
    assert kinds.own_names == ("plain", "again")
    assert kinds["plain"].__name__ == "Plain"
    assert "plain" in kinds
    assert "odd" not in kinds


def test_a_name_that_there_is_not_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="odd"):
        registry()["odd"]


def test_our_kinds_are_found_without_reading_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: str) -> None:
        raise AssertionError("was read")

    monkeypatch.setattr(metadata, "entry_points", fail)
    kinds = registry()
    assert kinds["plain"].__name__ == "Plain"
    assert kinds.instance("again").act() == "plainly"
    assert "plain" in kinds
    with pytest.raises(AssertionError, match="was read"):
        _ = kinds.names


def test_another_package_adds_kinds(foreign: Path) -> None:
    install(foreign, MODULE, zebra="Odd", odd="Odd")
    kinds = registry()
    assert kinds.names == ("plain", "again", "odd", "zebra")
    assert list(kinds.usable()) == ["plain", "again", "odd", "zebra"]
    assert [kind.act() for kind in kinds.usable_instances()] == ["plainly", "plainly", "oddly", "oddly"]
    assert kinds.problems() == []


def test_an_instance_is_made_once_with_its_name_or_is_the_plugins_own(foreign: Path) -> None:
    install(foreign, MODULE, odd="Odd", made="odd")
    kinds = registry()
    assert kinds.instance("odd") is kinds.instance("odd")
    assert kinds.instance("odd").name == "odd"
    assert kinds.instance("made").name == "made already"


def test_what_is_not_named_is_not_imported(foreign: Path) -> None:
    install(foreign, "raise RuntimeError('was imported')", odd="Odd")
    assert registry().names == ("plain", "again", "odd")
    assert registry()["plain"].__name__ == "Plain"


def test_the_first_kind_that_fits_is_ours_where_one_does(foreign: Path) -> None:
    install(foreign, "raise RuntimeError('was imported')", odd="Odd")
    assert registry().first(lambda kind: kind.act() == "plainly").name == "plain"
    assert registry().first(lambda kind: kind.name == "again", named="odd").name == "again"
    assert registry().first(lambda kind: False) is None
    with pytest.raises(PluginError, match="was imported"):
        registry().first(lambda kind: False, named="odd")


def test_a_plugin_may_be_the_first_that_fits(foreign: Path) -> None:
    install(foreign, MODULE, odd="Odd")
    assert registry().first(lambda kind: kind.act() == "oddly", named="no such").name == "odd"


UNDECIDED = f"""{MODULE}
class Undecided(Odd):
    def act(self):
        raise ValueError("which?")
"""


def test_a_plugin_that_fails_to_say_whether_it_fits_leaves_the_others(foreign: Path) -> None:
    install(foreign, UNDECIDED, even="Undecided", odd="Odd")
    assert registry().first(lambda kind: kind.act() == "oddly").name == "odd"
    assert registry().first(lambda kind: kind.act() == "plainly").name == "plain"
    message = r"^plugin even of foreign: failed to say whether it is meant \(ValueError: which\?\); update or"
    with pytest.raises(PluginError, match=message):
        registry().first(lambda kind: kind.act() == "unheard of")


def test_a_name_of_ours_cannot_be_taken(foreign: Path) -> None:
    install(foreign, MODULE, plain="Odd")
    kinds = registry()
    assert kinds["plain"].__name__ == "Plain"
    assert kinds.names == ("plain", "again")
    assert kinds.problems() == [
        f"plugin plain of foreign: plain is a name of pptsn's own in {GROUP}; ours is used"
    ]


@pytest.mark.parametrize(
    ("module", "attribute", "cause"),
    [
        (
            "import no_such_module",
            "Odd",
            r"failed to load \(ModuleNotFoundError: No module named 'no_such_module'\)",
        ),
        ("1 / 0", "Odd", r"failed to load \(ZeroDivisionError: division by zero\)"),
        ("", "Odd", r"failed to load \(AttributeError: "),
        ("raise SystemExit(7)", "Odd", r"failed to load \(SystemExit: 7\); update or uninstall foreign"),
        (r"raise OSError('one\n\ntwo')", "Odd", r"failed to load \(OSError: one two\)"),
        (MODULE, "text", rf"foreign_kinds:text is no {HERE}.Kind; update or uninstall foreign"),
        ("class Odd: ...", "Odd", rf"foreign_kinds:Odd is no {HERE}.Kind"),
        (f"{MODULE}    options = 5", "Proud", r"foreign_kinds:Proud.options is no type \(5\); update or"),
        (f"{MODULE}\nOdd.help = None", "Odd", r"foreign_kinds:Odd.help is no str \(None\); update or"),
        (MODULE, "Unfinished", "foreign_kinds:Unfinished lacks act; update or uninstall foreign"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_one_line_and_leaves_the_others(
    foreign: Path, module: str, attribute: str, cause: str
) -> None:
    install(foreign, module, odd=attribute)
    kinds = registry()
    with pytest.raises(PluginError, match=rf"^plugin odd of foreign: {cause}") as caught:
        kinds["odd"]
    assert caught.value.exit_code == MissingDependencyError.exit_code
    assert kinds.problems() == [str(caught.value)]
    assert "\n" not in str(caught.value)
    assert list(kinds.usable()) == ["plain", "again"]


def test_a_name_that_two_packages_add_is_neithers(foreign: Path) -> None:
    install(foreign, MODULE, package="foreign", odd="Odd", even="Odd")
    install(foreign, MODULE, package="alien", odd="Odd")
    kinds = registry()
    with pytest.raises(PluginError) as caught:
        kinds["odd"]
    assert (
        str(caught.value) == f"plugin odd: alien and foreign both add it to {GROUP}; uninstall all but one of them"
    )
    assert kinds.problems() == [str(caught.value)]
    assert list(kinds.usable()) == ["plain", "again", "even"]


def test_ctrl_c_while_a_plugin_is_imported_ends_the_program(foreign: Path) -> None:
    install(foreign, "raise KeyboardInterrupt", odd="Odd")
    with pytest.raises(KeyboardInterrupt):
        registry().usable()


def test_a_plugin_that_cannot_be_made_is_told_when_it_is_asked_for(foreign: Path) -> None:
    install(foreign, MODULE, proud="Proud")
    kinds = registry()
    with pytest.raises(
        PluginError, match=r"^plugin proud of foreign: cannot be made \(TypeError: .*; update or"
    ) as caught:
        kinds.instance("proud")
    assert kinds.problems() == [str(caught.value)]
    assert len(kinds.usable_instances()) == 2


def test_plugins_are_those_that_can_be_used_with_the_packages_that_add_them(foreign: Path) -> None:
    install(foreign, MODULE, package="foreign", proud="Proud", odd="Odd")
    install(foreign, MODULE, package="alien", even="Odd")
    assert registry().plugins() == {"even": "alien", "odd": "foreign"}


def test_what_a_plugin_raises_at_work_is_its_error(foreign: Path) -> None:
    install(foreign, MODULE, odd="Odd")
    kinds = registry()
    with pytest.raises(PluginError) as caught, kinds.told_as_plugin("odd", "failed to act"):
        raise ImportError("no library")
    line = "plugin odd of foreign: failed to act (ImportError: no library); update or uninstall foreign"
    assert str(caught.value) == line
    with pytest.raises(MissingDependencyError, match="its own words"), kinds.told_as_plugin("odd", "failed"):
        raise MissingDependencyError("thing", "its own words")


def test_what_a_kind_of_ours_raises_stays_what_it_is() -> None:
    with pytest.raises(ImportError, match="no library"), registry().told_as_plugin("plain", "failed to act"):
        raise ImportError("no library")


def test_a_requirement_is_a_distribution_or_a_program() -> None:
    assert Requirement("numpy", "numbers", "pip install numpy").found() == metadata.version("numpy")
    assert Requirement("no-such-distribution", "nothing", "").found() is None
    shell = Requirement("sh", "commands", "apt-get install dash", is_program=True).found()
    assert shell is not None
    assert Path(shell).name == "sh"
    assert Requirement("no-such-program", "nothing", "", is_program=True).found() is None
