"""A chain of models, Paddle's export to the last engine: each is proven against the first.

How it compares with the one before is found as well, to tell which step lost how much, but decides nothing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.convert.verify.agreement import Agreement, agreement
from pptsn.convert.verify.limits import Gates, Limits
from pptsn.convert.verify.logits import clip_logits, opened
from pptsn.convert.verify.report import Report
from pptsn.convert.verify.runs import Runs, is_export
from pptsn.runtime.base.errors import InputError, ModelError, UsageError, VerificationError
from pptsn.runtime.base.files import printable, write_text
from pptsn.runtime.classify.lists import evenly
from pptsn.runtime.decoding.clips import Source
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.evaluate.accuracy import Accuracy, accuracy, leading
from pptsn.runtime.model.export_folder import export_files


@dataclass(frozen=True, kw_only=True)
class Link:
    """What was found of one model of a chain.

    engine: what ran it; size_bytes: of the file, or of an export's program and parameters.
    top1, top5: shares (0..1) of right answers, drop: points of top-1 lost against the first model; None without
    labels.
    against_first, against_previous: the agreement of the clips' mean logits; None for the first model.
    limits: what against_first has to keep to; failures: a phrase for each limit that it does not.
    """

    model: str
    engine: str
    precision: str
    size_bytes: int
    top1: float | None
    top5: float | None
    drop: float | None
    against_first: Agreement | None = None
    against_previous: Agreement | None = None
    limits: Limits = field(default_factory=Limits)
    failures: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """A phrase for each limit that it keeps by its spare clips alone."""
        figures = self.against_first
        return () if figures is None else tuple(self.limits.spared(figures, self.drop))

    def to_dict(self) -> dict[str, Any]:
        """Return the link's JSON object."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        for name in ("against_first", "against_previous"):
            values[name] = None if values[name] is None else values[name].to_dict()
        limits = dataclasses.asdict(self.limits)
        told = {"failures": list(self.failures), "remarks": list(self.remarks)}
        return {**values, "model": printable(self.model), "limits": limits, **told}


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What was found of several models; the first is the reference of the others.

    clips: how many were compared; named: how many there were to choose from.
    skipped: a line for each that could not be read; warned: for each that was compared with warnings.
    """

    links: tuple[Link, ...]
    clips: int
    named: int
    runs: Runs
    skipped: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every model keeps to its limits."""
        return not any(link.failures for link in self.links)

    def to_dict(self) -> dict[str, Any]:
        """Return the report's JSON object."""
        runs = dataclasses.asdict(self.runs)
        del runs["decoders"]  # who decodes changes no figure
        return {
            "passed": self.passed,
            "clips": self.clips,
            "clips_named": self.named,
            **runs,
            "models": [link.to_dict() for link in self.links],
            "skipped": list(self.skipped),
            "warned": list(self.warned),
        }

    def write(self, path: str | Path) -> None:
        """Write the report as JSON to `path`, atomically."""
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")

    def require_passed(self) -> None:
        """Raise VerificationError, naming the first model that does not keep to its limits, figure and limit."""
        for link in self.links:
            if link.failures:
                cause = f"against {self.links[0].model}, {link.failures[0]}"
                raise VerificationError(link.model, cause, link.limits.remedy())


def verify_chain(
    models: Sequence[str | Path],
    sources: Sequence[Source],
    *,
    runs: Runs,
    gates: Gates | None = None,
    labels: Sequence[int] | None = None,
    limit: int | None = None,
) -> Chain:
    """Compare `models`, two or more, by their mean logits for each clip in `sources`.

    A model is an export folder, an .onnx file or an .engine.
    labels: the class of each clip, where known (by --labelled, of which errors then speak, not of --clips).
    limit: compare no more than this many of `sources`, evenly spread.
    A clip that cannot be read is skipped and named.  Raises InputError where none is left or a label is out of
    range, ModelError where the models do not know the same number of classes, UsageError without clips and for
    a limit on the drop without labels.
    """
    gates = gates or Gates()
    option = "--clips" if labels is None else "--labelled"
    if not sources:
        raise UsageError(option, "names no clips", "name a folder, a list or files")
    if gates.max_drop is not None and labels is None:
        raise UsageError("--max-drop", "needs to know the right answers", "name a list by --labelled LIST")
    with opened(models, runs) as engines:
        _check_classes(models, engines, labels)
        runs = runs.seen_as_by(engines[0].spec)
        chosen = evenly(range(len(sources)), len(sources) if limit is None else limit)
        found, skipped, warned = clip_logits(engines, [sources[clip] for clip in chosen], runs)
        if not found:
            reason = next(iter(skipped.values()))
            raise InputError(option, f"none of {len(chosen)} clips can be read ({reason})", "name others")
        known = None if labels is None else [labels[chosen[index]] for index in found]
        logits = [np.stack([rows[index] for rows in found.values()]) for index in range(len(models))]
        links = _links(models, engines, logits, known, runs, gates)
    return Chain(
        links=links,
        clips=len(found),
        named=len(sources),
        runs=runs,
        skipped=tuple(skipped.values()),
        warned=tuple(warned.values()),
    )


def verify_models(
    model: str | Path,
    against: str | Path,
    sources: Sequence[Source],
    *,
    runs: Runs,
    gates: Gates | None = None,
    labels: Sequence[int] | None = None,
    limit: int | None = None,
) -> Report:
    """Compare `model` with `against` by the mean logits of each clip; see `verify_chain`, of which this is two."""
    chain = verify_chain([against, model], sources, runs=runs, gates=gates, labels=labels, limit=limit)
    link = chain.links[1]
    if link.against_first is None:
        raise ValueError("the second model of a chain has no figures")
    return Report(
        link.model,
        str(against),
        link.limits,
        link.against_first,
        drop=link.drop,
        skipped=chain.skipped,
        warned=chain.warned,
        named=chain.named,
    )


def _check_classes(models: Sequence[str | Path], engines: list[Engine], labels: Sequence[int] | None) -> None:
    classes = engines[0].spec.classes
    for model, engine in zip(models, engines, strict=True):
        if engine.spec.classes != classes:
            cause = f"and {models[0]} do not have the same number of classes ({engine.spec.classes}, {classes})"
            raise ModelError(model, cause, "name models of one training")
    if labels is not None and max(labels) >= classes:
        cause = f"has label {max(labels)}, the models have {classes} classes"
        raise InputError("--labelled", cause, "name the list of the models' own classes")


def _links(
    models: Sequence[str | Path],
    engines: list[Engine],
    logits: list[Logits],
    labels: Sequence[int] | None,
    runs: Runs,
    gates: Gates,
) -> tuple[Link, ...]:
    """Return what was found of each model; logits: one (clips, C) array a model; labels: of each clip."""
    links: list[Link] = []
    right = [None if labels is None else accuracy(dict(enumerate(leading(rows))), labels) for rows in logits]
    for index, (model, engine, rows) in enumerate(zip(models, engines, logits, strict=True)):
        own = right[index]
        drop = _drop(own, right[0]) if index else None
        link = Link(
            model=str(model),
            engine=engine.description,
            precision=engine.spec.precision,
            size_bytes=_size_bytes(Path(model)),
            top1=None if own is None else own.top1,
            top5=None if own is None else own.top5,
            drop=drop,
        )
        if index:
            figures = agreement(rows, logits[0])
            precisions = (engine.spec.precision, engines[0].spec.precision)
            limits = gates.limits(precisions, on_gpu=runs.any_on_gpu(model, models[0]))
            link = dataclasses.replace(
                link,
                against_first=figures,
                against_previous=agreement(rows, logits[index - 1]),
                limits=limits,
                failures=tuple(limits.violations(figures, drop)),
            )
        links.append(link)
    return tuple(links)


def _drop(own: Accuracy | None, reference: Accuracy | None) -> float | None:
    """Return the points of top-1 that a model loses against the reference, negative where it gains."""
    if own is None or reference is None:
        return None
    return 100 * (reference.top1_count - own.top1_count) / own.clips


def _size_bytes(model: Path) -> int:
    if is_export(model):
        return sum(file.stat().st_size for file in export_files(model))
    return model.stat().st_size
