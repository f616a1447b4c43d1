"""The three targets: lists against probing, the classifier against its features, a report against evaluation."""

from __future__ import annotations

import shutil
from pathlib import Path

from pptsn.benchmarks.measure.method import Method, measure_in_turn, timed_ms
from pptsn.benchmarks.measure.percentiles import over_repeats, percentile
from pptsn.benchmarks.measure.results import Result
from pptsn.runtime.classify.lists import Sample, read_any_list
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.engines.settings import EngineSettings
from pptsn.runtime.model.file import ModelFile
from pptsn.training.datasets.folder.classes import read_classes
from pptsn.training.datasets.folder.making import FolderSettings, make_folder
from pptsn.training.datasets.folder.probing import probe_clips
from pptsn.training.evaluation import evaluate
from pptsn.training.metrics import read_metrics
from pptsn.training.recipe import Recipe, load_recipe, parse_recipe
from pptsn.training.report.run import report
from pptsn.training.trainer import train
from tools.targets.target import Target

LISTS = Target(name="lists_share", what="`data folder`, of probing its clips", unit="times", at_most=1.2)
HEAD = Target(
    name="head_only_share", what="`train --head-only`, of extracting the features", unit="times", at_most=1.3
)
REPORT = Target(name="report_share", what="`report`, of evaluating its clips", unit="times", at_most=1.05)


def measure_lists(clips: Path, place: Path, method: Method, *, weights: Path | None = None) -> Result:
    """Return the time that `data folder` takes of the folder `clips`, of that of probing them alone.

    place: where the lists are written, anew each time.
    """
    found = read_classes(clips, format=None, note=_unheard).clips

    def lists() -> None:
        shutil.rmtree(place, ignore_errors=True)
        make_folder(clips, place, settings=FolderSettings(weights=weights, max_unreadable=1), note=_unheard)

    times = measure_in_turn({"probing": lambda: probe_clips(clips, found), "lists": lists}, method)
    return _share(LISTS, times["lists"], times["probing"], clips=len(found))


def measure_head(recipe_file: Path, run: Path, method: Method) -> Result:
    """Return the time of a whole run of the classifier alone, of that which its features take.

    recipe_file: as `data folder` wrote it, with weights.  run: the folder of the run, anew each time.
    """
    recipe = load_recipe(str(recipe_file), ["model.head_only=true"])
    whole, features = [], []
    for _ in range(method.repeats):
        method.watch.look()
        shutil.rmtree(run, ignore_errors=True)
        whole.append([timed_ms(lambda: train(recipe, run))])
        (epoch,) = (entry for entry in read_metrics(run / "metrics.jsonl") if entry["kind"] == "epoch")
        features.append([1000 * float(epoch["features_s"])])
    lists = [path for path in (recipe.data.train, recipe.data.val) if path is not None]
    return _share(HEAD, whole, features, clips=sum(len(read_any_list(path)) for path in lists))


def measure_report(model: Path, listed: Path, place: Path, method: Method) -> Result:
    """Return the time of a report by `model` on a list, of that of evaluating it on the same."""
    samples: list[Sample] = read_any_list(listed)
    recipe = _recipe_of(model, listed)
    times = measure_in_turn(
        {
            "evaluation": lambda: evaluate(recipe, model),
            "report": lambda: report(
                model, place, settings=ClassifySettings(), runner=EngineSettings(device="cpu"), test=listed
            ),
        },
        method,
    )
    return _share(REPORT, times["report"], times["evaluation"], clips=len(samples))


def _recipe_of(model: Path, listed: Path) -> Recipe:
    classes = ModelFile.open(model).spec.classes
    lists = {part: str(listed) for part in ("train", "val", "test")}
    values = {"model": {"classes": classes}, "data": lists, "device": "cpu"}
    return parse_recipe(values, source="tools.own_models")


def _share(target: Target, whole: list[list[float]], part: list[list[float]], *, clips: int) -> Result:
    """Return the result: in each repeat, the median of `whole` over that of `part`, both in milliseconds."""
    medians = [[percentile(repeat, 0.5) for repeat in times] for times in (whole, part)]
    shares = [one / other for one, other in zip(*medians, strict=True)]
    return target.result(
        over_repeats(target.name, shares, unit=target.unit, better="lower"),
        over_repeats("whole_ms", medians[0], unit="ms", better="lower"),
        over_repeats("part_ms", medians[1], unit="ms", better=""),
        facts={"clips": clips},
    )


def _unheard(line: str) -> None:
    """What is left out was told when the folder was looked at."""
