"""Top-1 and top-5 over a list of a checkpoint or of what is deployed: many frames, many views."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.base.files import printable
from pptsn.runtime.classify.lists import read_list, source_of
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.decoding.decoders import AUTO, Decoders
from pptsn.runtime.engines import Device, Engine, open_engine
from pptsn.runtime.evaluate.accuracy import Answers, accuracy
from pptsn.runtime.frames.protocols import PUBLISHED, Protocol, name_of, protocol_called
from pptsn.runtime.model.file import protocol_of
from pptsn.runtime.model.manifest import PLAN_SUFFIX
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.recognizer import Recognizer
from pptsn.training.data.inputs import labels_of, lists_digest
from pptsn.training.progress import Display
from pptsn.training.ranks.agreement import require_alike, require_same
from pptsn.training.ranks.environment import device_by_launcher, member_of
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came out for a list of `clips` clips.

    top1, top5: shares (0..1) of right answers over all clips; a clip that could not be read is wrong.
    class_top1: top-1 of each class, in class order; None for a class without clips.
    looked_at: how it was measured.  unreadable: a line for each clip that could not be read;
    warned: one for each that was answered with warnings.
    labels: the class names, in class order.  engine: what ran the model; precision: of its weights.
    """

    clips: int
    top1: float
    top5: float
    class_top1: tuple[float | None, ...]
    looked_at: Protocol
    unreadable: tuple[str, ...]
    labels: tuple[str, ...]
    engine: str = field(compare=False)
    precision: str = field(compare=False)
    warned: tuple[str, ...] = ()

    @property
    def protocol(self) -> str | None:
        """The name of the published protocol that it was measured by, see `PROTOCOLS`; None for any other way."""
        return name_of(self.looked_at)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that `pptsn evaluate --json` prints, without the weights' name."""
        return {
            "engine": self.engine,
            "precision": self.precision,
            "clips": self.clips,
            **dataclasses.asdict(self.looked_at),
            "protocol": self.protocol,
            "top1": self.top1,
            "top5": self.top5,
            "class_top1": [
                {"class_id": number, "label": label, "top1": share}
                for number, (label, share) in enumerate(zip(self.labels, self.class_top1, strict=True))
            ],
            "unreadable": [printable(line) for line in self.unreadable],
            "warned": list(self.warned),
        }


def evaluate(
    recipe: Recipe,
    weights: str | Path,
    *,
    views: str | None = None,
    segments: int | None = None,
    sampling: str | None = None,
    protocol: str | None = None,
    backend: str = "auto",
    device: str | None = None,
    decoders: Decoders = AUTO,
    display: Display | None = None,
) -> Evaluation:
    """Evaluate `weights`, a `.pdparams` checkpoint, an `.onnx` file or an `.engine`, on the recipe's test list.

    protocol: one of PROTOCOLS, in place of what the recipe says of evaluation.
    views (ten, three, center), segments (frames a clip) and sampling (centre, linspace) default to the
    protocol's, the recipe's, the model's own, in this order; device (auto, cpu, cuda or cuda:N) to the recipe's,
    for an `.engine` to the first GPU.
    A checkpoint sees frames and crops of the recipe's sizes, other models those of their own spec.
    backend: what runs an `.onnx` file or an `.engine`, see `pptsn.runtime.engines.open_engine`.
    decoders: processes that decode, see `pptsn.runtime.decoding.decoders`.
    Raises UsageError without a test list and for a backend that is not Paddle's with a checkpoint, ModelError for
    weights of another depth or number of classes, and what `read_list` and `open_engine` raise; unreadable clips
    and those with warnings are counted and named.
    """
    recipe = _with_protocol(recipe, protocol)
    if recipe.data.test is None:
        raise UsageError("data.test", "is not set, expected a list file", "pass --set data.test=LIST")
    settings = ClassifySettings(  # checked before any work
        segments=segments or recipe.evaluation.segments,
        views=views or recipe.evaluation.views,
        sampling=sampling or recipe.evaluation.sampling,
        decoders=decoders,
    )
    looked_at = settings.changing(protocol_of(weights) if _is_model(weights) else PUBLISHED)
    ranks = _ranks(device or recipe.device)
    display = display or Display.of_rank(ranks.member)
    with ranks.together():
        labels = labels_of(recipe)
        samples = read_list(
            recipe.data.test,
            format=recipe.data.format,
            prefix=recipe.data.prefix,
            classes=len(labels),
            note=display.line,
        )
    require_alike(ranks, recipe, lists_digest(samples))
    with ExitStack() as held:
        with ranks.together():
            share = ranks.member.share_of(samples)
            engine = open_weights(
                weights,
                recipe,
                backend=backend,
                device=ranks.device or device,
                classes=len(labels),
                crops=looked_at.crops(len(share)),
            )
            if recipe.evaluation.resize_rule:
                engine.spec = replace(engine.spec, resize_rule=recipe.evaluation.resize_rule)
            looked_at = settings.changing(engine.spec.protocol)
            for note in engine.notes:
                display.line(note)
            recognizer = held.enter_context(Recognizer(engine))
            results = recognizer.classify_many(
                [source_of(sample) for sample in share],
                segments=looked_at.segments,
                views=looked_at.views,
                sampling=looked_at.sampling,
                decoders=decoders,
                note=display.line,
            )
        require_same(ranks, _measured(looked_at, engine.spec))
        bar = held.enter_context(display.bar("evaluating", total=len(share)))
        own = Answers.of(_counted(ranks.abreast(results), bar.advance))
    answers = _of_all(ranks, own)
    found = accuracy(answers.leading, [sample.label for sample in samples])
    return Evaluation(
        clips=found.clips,
        top1=found.top1,
        top5=found.top5,
        class_top1=tuple(found.class_top1.get(label) for label in range(len(labels))),
        looked_at=looked_at,
        unreadable=tuple(answers.unreadable.values()),
        labels=labels,
        engine=engine.description,
        precision=engine.spec.precision,
        warned=tuple(answers.warned.values()),
    )


def _measured(looked_at: Protocol, spec: ModelSpec) -> dict[str, str | int]:
    """Return what answers depend on beside the recipe and its lists, which ranks may have of their own."""
    return {
        "weights": spec.weights_digest,
        "precision": spec.precision,
        "short_side": spec.short_side,
        "crop_size": spec.crop_size,
        **dataclasses.asdict(looked_at),
    }


def _with_protocol(recipe: Recipe, name: str | None) -> Recipe:
    """Return `recipe` with what the protocol `name` says of evaluation."""
    if name is None:
        return recipe
    values = dataclasses.asdict(protocol_called(name))
    return recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update=values)})


def _ranks(device: str) -> Ranks:
    """Return the ranks to evaluate by; alone, a model may need no Paddle."""
    if member_of().is_alone:
        return Ranks(device=device_by_launcher(device) if device == "auto" else "")
    from pptsn.training.ranks.joining import join

    return join(device)


def _of_all(ranks: Ranks, own: Answers) -> Answers:
    """Return the answers of all ranks by the indices of the whole list; `own` has those of this rank's share."""
    fields = [field.name for field in dataclasses.fields(Answers)]
    told = ranks.gather([list(getattr(own, name).items()) for name in fields])
    merged: list[dict[int, Any]] = [{} for _ in fields]
    for rank, values in enumerate(told):
        for found, pairs in zip(merged, values, strict=True):
            found.update({rank + index * ranks.count: value for index, value in pairs})
    return Answers(*(dict(sorted(found.items())) for found in merged))


def _is_model(weights: str | Path) -> bool:
    """Whether `weights` is named as a converted model is, which says itself what it is."""
    return Path(weights).suffix.lower() in (".onnx", PLAN_SUFFIX)


def _counted(results: Iterable[_Result], advance: Callable[[], object]) -> Iterator[_Result]:
    for result in results:
        yield result
        advance()


def open_weights(
    weights: str | Path,
    recipe: Recipe,
    *,
    backend: str,
    device: str | None,
    classes: int,
    crops: int,
) -> Engine:
    """Open `weights`: a converted model by `backend`, or a checkpoint of `recipe` by Paddle.

    device: None for the recipe's.  classes: of the recipe.  crops: see `open_engine`.
    Raises ModelError for weights of another depth or number of classes, UsageError for a checkpoint's backend.
    """
    if _is_model(weights):
        # The recipe's device is where training runs, which says nothing of a plan: that needs a GPU.
        where = device or ("auto" if Path(weights).suffix.lower() == PLAN_SUFFIX else recipe.device)
        engine = open_engine(weights, backend=backend, device=where, tuning="auto", crops=crops)
        if engine.spec.classes != classes:
            engine.close()
            cause = f"has {engine.spec.classes} classes, the recipe {classes}"
            raise ModelError(weights, cause, "name the recipe that it was trained by")
        return engine
    if backend != "auto":
        cause = f"{backend} runs .onnx and .engine files, {weights} is run by Paddle"
        raise UsageError("--backend", cause, "leave it out, or name a converted model")
    from pptsn.training.checkpoint_engine import CheckpointEngine
    from pptsn.training.network._paddle import select_device

    if device not in (None, "auto"):
        Device.parse(device)  # refuses unknown names
    select_device(device or recipe.device)
    return CheckpointEngine.of_recipe(weights, recipe)
