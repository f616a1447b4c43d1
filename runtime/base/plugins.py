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
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pptsn.runtime.base.errors import MissingDependencyError, PptsnError

if TYPE_CHECKING:
    from importlib import metadata

Kind = TypeVar("Kind")


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
                self._loaded[name] = self._load(self._plugins[name])
        return self._loaded[name]

    def instance(self, name: str) -> Any:
        """Return the kind called `name`, made with its name where it is a class; the same one each time.

        Raises as `registry[name]` does.
        """
        if name not in self._instances:
            kind: Any = self[name]
            try:
                self._instances[name] = kind(name) if isinstance(kind, type) else kind
            except Exception as error:  # as in `_load`
                if name in self._own:
                    raise
                raise self._unusable(name, f"cannot be made ({type(error).__name__}: {error})") from error
        return self._instances[name]

    def usable_instances(self) -> list[Any]:
        """Return the instances of the kinds that can be used."""
        found = []
        for name in self.names:
            with suppress(PluginError):  # told by `problems`
                found.append(self.instance(name))
        return found

    def first(self, fits: Callable[[Any], bool], *, named: str = "") -> Any:
        """Return the first instance that fits, or None; plugins are imported for what none of ours fits.

        named: what a plugin for it would be called.  Raises PluginError where there is one that cannot be used.
        """
        found = next(filter(fits, map(self.instance, self._own)), None)
        if found is None and named in self:
            self.instance(named)
        return next(filter(fits, self.usable_instances()), None) if found is None else found

    def usable(self) -> dict[str, Kind]:
        """Return the kinds that can be loaded, by name: what `--help` lists."""
        found = {}
        for name in self.names:
            with suppress(PluginError):  # told by `problems`
                found[name] = self[name]
        return found

    def problems(self) -> list[str]:
        """Return a line for each plugin that cannot be used, or that has the name of a kind of ours."""
        lines = [
            f"{self._origin(entry)}: {name} is a name of pptsn's own in {self.group}; ours is used"
            for name, entry in sorted(self._found.items())
            if name in self._own
        ]
        for name in sorted(self._plugins):
            try:
                self.instance(name)
            except PluginError as error:
                lines.append(str(error))
        return lines

    @cached_property
    def _found(self) -> dict[str, metadata.EntryPoint]:
        # Only here, as it costs more than all the rest, and our own kinds have no need of it.
        from importlib import metadata

        return {entry.name: entry for entry in metadata.entry_points(group=self.group)}

    @property
    def _plugins(self) -> dict[str, metadata.EntryPoint]:
        return {name: entry for name, entry in self._found.items() if name not in self._own}

    def _load(self, entry: metadata.EntryPoint) -> Kind:
        try:
            kind: Any = entry.load()
        except Exception as error:  # whatever a foreign module raises while it is imported is the finding
            raise self._unusable(entry.name, f"failed to load ({type(error).__name__}: {error})") from error
        if inspect.isabstract(kind):
            lacking = ", ".join(sorted(kind.__abstractmethods__))
            raise self._unusable(entry.name, f"{entry.value} lacks {lacking}")
        is_kind = issubclass(kind, self._base) if isinstance(kind, type) else isinstance(kind, self._base)
        if not is_kind:
            base = f"{self._base.__module__}.{self._base.__qualname__}"
            raise self._unusable(entry.name, f"{entry.value} is no {base}")
        return kind  # type: ignore[no-any-return]

    def _unusable(self, name: str, cause: str) -> PluginError:
        entry = self._plugins[name]
        return PluginError(self._origin(entry), cause, f"update or uninstall {self._distribution(entry)}")

    def _origin(self, entry: metadata.EntryPoint) -> str:
        return f"plugin {entry.name} of {self._distribution(entry)}"

    @staticmethod
    def _distribution(entry: metadata.EntryPoint) -> str:
        return entry.dist.name if entry.dist is not None else entry.value


def _attribute(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
