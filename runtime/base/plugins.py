"""Kinds of backends, sources and sinks: our own, and those that other packages add by a Python entry point.

A registry knows kinds by name and loads one when it is asked for: what is not used costs nothing, and a plugin
that fails to import hurts only who names it.  A package adds a kind in its `pyproject.toml`:

    [project.entry-points."pptsn.sources"]
    toy = "toy_plugin.source:ToySource"
"""

from __future__ import annotations

import importlib
import inspect
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pptsn.runtime.base.errors import MissingDependencyError, PptsnError

if TYPE_CHECKING:
    from importlib import metadata

Kind = TypeVar("Kind")
# What foreign code may raise: all but what the user asks for by Ctrl-C.
FAILURES = (Exception, SystemExit)


@dataclass(frozen=True)
class Requirement:
    """What a kind needs of the machine beside the runtime's own packages, for `pptsn doctor`.

    name: a distribution ("paho-mqtt"), or a program ("gst-launch-1.0").  purpose: what for, in a few words.
    install: the command that brings it.  is_program: looked for on the PATH rather than among Python's packages.
    """

    name: str
    purpose: str
    install: str
    is_program: bool = False

    def found(self) -> str | None:
        """Return the version of the distribution, or the path of the program; None where it is missing."""
        if self.is_program:
            return shutil.which(self.name)
        from importlib import metadata

        try:
            return metadata.version(self.name)
        except metadata.PackageNotFoundError:
            return None


class PluginError(PptsnError):
    """A kind that another package adds and that cannot be used."""

    exit_code = MissingDependencyError.exit_code


class Registry(Generic[Kind]):
    """The kinds of one sort.

    group: of the entry points that add kinds.  own: our kinds, name to "module:attribute".  base: what each kind
    is an instance of, or a subclass of; a plugin of another type is refused.
    """

    def __init__(self, group: str, own: Mapping[str, str], *, base: type) -> None:
        self.group = group
        self._own = own
        self._base = base
        self._loaded: dict[str, Kind] = {}
        self._instances: dict[str, Any] = {}

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names of our kinds, in their order."""
        return tuple(self._own)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all kinds: ours, then those of plugins by name.  Reads what is installed once."""
        return (*self._own, *sorted(self._plugins))

    def __contains__(self, name: str) -> bool:
        return name in self._own or name in self._plugins

    def __getitem__(self, name: str) -> Kind:
        """Return the kind called `name`.

        Raises KeyError for a name that there is not, PluginError for a plugin that cannot be used.
        """
        if name not in self._loaded:
            if name in self._own:
                self._loaded[name] = _attribute(self._own[name])
            else:
                self._loaded[name] = self._load_plugin(name)
        return self._loaded[name]

    def instance(self, name: str) -> Any:
        """Return the kind called `name`, made with its name where it is a class; the same one each time.

        Raises as `registry[name]` does.
        """
        if name not in self._instances:
            kind: Any = self[name]
            with self.told_as_plugin(name, "cannot be made"):
                self._instances[name] = kind(name) if isinstance(kind, type) else kind
        return self._instances[name]

    @contextmanager
    def told_as_plugin(self, name: str, what: str) -> Iterator[None]:
        """Raise what the plugin called `name` raises as PluginError, and errors that users are to see as they are.

        what: went wrong, in a few words.  Errors of our own kinds are defects of ours, and stay what they are.
        """
        try:
            yield
        except PptsnError:
            raise
        except FAILURES as error:
            if name not in self._plugins:
                raise
            raise self._unusable(name, f"{what} ({type(error).__name__}: {error})") from error

    def usable_instances(self) -> list[Any]:
        """Return the instances of the kinds that can be used."""
        found = []
        for name in self.names:
            with suppress(PluginError):  # told by `problems`
                found.append(self.instance(name))
        return found

    def first(self, fits: Callable[[Any], bool], *, named: str = "") -> Any:
        """Return the first instance that fits, or None; plugins are imported for what none of ours fits.

        named: what a plugin for it would be called.
        Raises PluginError where there is one that cannot be used, and where nothing fits and a plugin fails when
        it is asked.
        """
        found = next(filter(fits, map(self.instance, self._own)), None)
        if found is None and named in self:
            self.instance(named)
        return self._first_plugin(fits) if found is None else found

    def _first_plugin(self, fits: Callable[[Any], bool]) -> Any:
        """Return the first plugin that fits, or None; raises PluginError where none does and one cannot tell."""
        failures = []
        for name in sorted(self._plugins):
            try:
                instance = self.instance(name)
            except PluginError:  # told by `problems`
                continue
            try:
                with self.told_as_plugin(name, "failed to say whether it is meant"):
                    if fits(instance):
                        return instance
            except PluginError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return None

    def usable(self) -> dict[str, Kind]:
        """Return the kinds that can be loaded, by name: what `--help` lists."""
        found = {}
        for name in self.names:
            with suppress(PluginError):  # told by `problems`
                found[name] = self[name]
        return found

    def plugins(self) -> dict[str, str]:
        """Return the packages that add the kinds of other packages which can be used, by the kinds' names."""
        found = {}
        for name in sorted(self._plugins):
            with suppress(PluginError):  # told by `problems`
                self.instance(name)
                found[name] = _distribution(self._plugins[name][0])
        return found

    def problems(self) -> list[str]:
        """Return a line for each plugin that cannot be used, or that has the name of a kind of ours."""
        lines = [
            f"{_origin(entry)}: {name} is a name of pptsn's own in {self.group}; ours is used"
            for name, entries in sorted(self._found.items())
            for entry in entries
            if name in self._own
        ]
        for name in sorted(self._plugins):
            try:
                self.instance(name)
            except PluginError as error:
                lines.append(str(error))
        return lines

    @cached_property
    def _found(self) -> dict[str, list[metadata.EntryPoint]]:
        # Only here, as it costs more than all the rest, and our own kinds have no need of it.
        from importlib import metadata

        found: dict[str, list[metadata.EntryPoint]] = {}
        for entry in metadata.entry_points(group=self.group):
            found.setdefault(entry.name, []).append(entry)
        return found

    @property
    def _plugins(self) -> dict[str, list[metadata.EntryPoint]]:
        return {name: entries for name, entries in self._found.items() if name not in self._own}

    def _load_plugin(self, name: str) -> Kind:
        entry, *others = self._plugins[name]
        if others:
            # Which of them comes first is chance: the order of the folders on Python's path.
            packages = " and ".join(sorted(_distribution(each) for each in (entry, *others)))
            cause = f"{packages} both add it to {self.group}"
            raise PluginError(f"plugin {name}", cause, "uninstall all but one of them")
        with self.told_as_plugin(name, "failed to load"):
            kind: Any = entry.load()
        self._check_type(name, kind)
        return kind  # type: ignore[no-any-return]

    def _check_type(self, name: str, kind: Any) -> None:
        """Raise PluginError unless `kind` is of this sort, whole, and says of itself what its base does."""
        target = self._plugins[name][0].value
        if inspect.isabstract(kind):
            raise self._unusable(name, f"{target} lacks {', '.join(sorted(kind.__abstractmethods__))}")
        is_kind = issubclass(kind, self._base) if isinstance(kind, type) else isinstance(kind, self._base)
        if not is_kind:
            base = f"{self._base.__module__}.{self._base.__qualname__}"
            raise self._unusable(name, f"{target} is no {base}")
        for attribute, default in vars(self._base).items():
            if attribute.startswith("_") or not isinstance(default, (str, bool, tuple, type)):
                continue
            expected = type if isinstance(default, type) else type(default)
            if not isinstance(getattr(kind, attribute), expected):
                cause = f"{target}.{attribute} is no {expected.__name__} ({getattr(kind, attribute)!r})"
                raise self._unusable(name, cause)

    def _unusable(self, name: str, cause: str) -> PluginError:
        entry = self._plugins[name][0]
        return PluginError(_origin(entry), cause, f"update or uninstall {_distribution(entry)}")


def _origin(entry: metadata.EntryPoint) -> str:
    return f"plugin {entry.name} of {_distribution(entry)}"


def _distribution(entry: metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def _attribute(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
