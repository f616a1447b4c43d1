"""What `--output` may name: an output of one of the kinds in the registry, and its options.

A file, a word or `scheme:...` is followed by options as by a query, `x.jsonl?rotate=100MB&keep=5`, as sources are;
a `?` that no option follows belongs to the path.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.base.options import options_of, parse_options
from pptsn.runtime.base.plugins import Registry
from pptsn.runtime.stream.sinks.base import MESSAGE_TYPES, Only, Sink
from pptsn.runtime.stream.sinks.kind import MessageOptions, Output, SinkKind, split_options, split_scheme

SINKS: Registry[SinkKind] = Registry(
    "pptsn.sinks",
    {
        "jsonl": "pptsn.runtime.stream.sinks.jsonl:JSONL",
        "stdout": "pptsn.runtime.stream.sinks.jsonl:STDOUT",
        "csv": "pptsn.runtime.stream.sinks.csv_file:CSV",
        "video": "pptsn.runtime.stream.sinks.video:VIDEO",
        "webhook": "pptsn.runtime.stream.sinks.webhook:WEBHOOK",
        "mqtt": "pptsn.runtime.stream.sinks.mqtt:MQTT",
    },
    base=SinkKind,
)


def parse_destination(text: str, *, top: int) -> Output:
    """Return what `--output text` asks for, not open yet.  top: the leading classes of each prediction to write.

    Raises UsageError, which shows no credentials, for what is unknown, malformed or out of range,
    MissingDependencyError for a package that is missing, and PluginError for a plugin that cannot be used.
    """
    kind = _kind_of(text)
    address, query = kind.address_of(text)
    parts = filter(None, query.split("&"))
    options: object = parse_options(kind.options, parts, thing=address.name, may_be_secret=True)
    _check_requirements(kind)
    output = kind.make(address, options, top)
    chosen = options.only if isinstance(options, MessageOptions) else frozenset(MESSAGE_TYPES)
    return Only(output, chosen) if isinstance(output, Sink) and chosen != MESSAGE_TYPES.keys() else output


def output_help() -> str:
    """Return what `--output` may be, a kind after the other, with their options: for `--help`."""
    return ", ".join(_described(kind) for kind in SINKS.usable().values())


def _described(kind: SinkKind) -> str:
    *others, last = kind.forms
    forms = f"{', '.join(others)} or {last}" if others else last
    names = ", ".join(options_of(kind.options))
    return f"{forms} ({kind.help}; {kind.options_after}{names})" if names else f"{forms} ({kind.help})"


def _kind_of(text: str) -> SinkKind:
    scheme, slashes = split_scheme(text)
    if scheme:
        found = _first_kind(lambda kind: kind.has_scheme_of(text), scheme)
        if found is not None:
            return found
        if slashes:
            raise UsageError("--output", f"unknown scheme {scheme}://", f"expected {_all_forms()}")
    suffix = PurePath(split_options(text)[0]).suffix.lower()
    found = _first_kind(lambda kind: kind.has_path_of(text), suffix[1:])
    if found is None:
        cause = f"unknown kind of output {suffix or 'without a suffix'}"
        raise UsageError("--output", cause, f"expected {_all_forms()}")
    return found


def _first_kind(claims: Callable[[SinkKind], bool], name: str) -> SinkKind | None:
    """Return the kind that claims a text; ours first, so that plugins are imported for what none of ours takes.

    Raises PluginError where it would be the plugin called `name`, and that cannot be used.
    """
    for own in SINKS.own_names:
        if claims(SINKS[own]):
            return SINKS[own]
    if name in SINKS:
        _ = SINKS[name]
    return next((kind for kind in SINKS.usable().values() if claims(kind)), None)


def _all_forms() -> str:
    return ", ".join(form for kind in SINKS.usable().values() for form in kind.forms)


def _check_requirements(kind: SinkKind) -> None:
    for requirement in kind.requirements:
        if requirement.found() is None:
            cause = f"needs {requirement.name}"
            raise MissingDependencyError(f"output {kind.name}", cause, f"run: {requirement.install}")
