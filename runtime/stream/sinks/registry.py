"""The kinds of sinks, ours and those of the entry points `pptsn.sinks`; and which of them an `--output` asks for.

A file, a word or `scheme:...` is followed by options as by a query, `x.jsonl?rotate=100MB&keep=5`, as sources are;
a `?` that no option follows belongs to the path.
"""

from __future__ import annotations

from pathlib import PurePath

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.base.options import options_of, parse_options
from pptsn.runtime.base.plugins import Registry
from pptsn.runtime.stream.sinks.base import MESSAGE_TYPES, Only, Sink
from pptsn.runtime.stream.sinks.kind import AnyKind, MessageOptions, Output, SinkKind, split_options, split_scheme

SINKS: Registry[type[AnyKind]] = Registry(
    "pptsn.sinks",
    {
        "jsonl": "pptsn.runtime.stream.sinks.jsonl:JsonlKind",
        "stdout": "pptsn.runtime.stream.sinks.jsonl:StandardOutputKind",
        "csv": "pptsn.runtime.stream.sinks.csv_file:CsvKind",
        "video": "pptsn.runtime.stream.sinks.video:VideoKind",
        "webhook": "pptsn.runtime.stream.sinks.webhook:WebhookKind",
        "mqtt": "pptsn.runtime.stream.sinks.mqtt:MqttKind",
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
    with SINKS.told_as_plugin(kind.name, "failed to make the output"):
        output = kind.make(address, options, top=top)
    chosen = options.only if isinstance(options, MessageOptions) else frozenset(MESSAGE_TYPES)
    return Only(output, chosen) if isinstance(output, Sink) and chosen != MESSAGE_TYPES.keys() else output


def outputs_help() -> str:
    """Return how each kind of output is written, what it is, and the names of its options: a text for `--help`."""
    return ", ".join(_described(kind) for kind in SINKS.usable_instances())


def _described(kind: AnyKind) -> str:
    options = ", ".join(f"{name}=" for name in options_of(kind.options))
    about = "; ".join(filter(None, (kind.help or "a plugin", options and f"{kind.options_after}{options}")))
    return f"{', '.join(kind.forms)} ({about})"


def _kind_of(text: str) -> AnyKind:
    scheme, slashes = split_scheme(text)
    if scheme:
        found: AnyKind | None = SINKS.first(lambda kind: kind.has_scheme_of(text), named=scheme)
        if found is not None:
            return found
        if slashes:
            raise UsageError("--output", f"unknown scheme {scheme}://", f"expected {_all_forms()}")
    suffix = PurePath(split_options(text)[0]).suffix.lower()
    found = SINKS.first(lambda kind: kind.has_path_of(text), named=suffix[1:])
    if found is None:
        cause = f"unknown kind of output {suffix or 'without a suffix'}"
        raise UsageError("--output", cause, f"expected {_all_forms()}")
    return found


def _all_forms() -> str:
    return ", ".join(form for kind in SINKS.usable_instances() for form in kind.forms)


def _check_requirements(kind: AnyKind) -> None:
    for requirement in kind.requirements:
        if requirement.found() is None:
            cause = f"needs {requirement.name}"
            raise MissingDependencyError(f"output {kind.name}", cause, f"run: {requirement.install}")
