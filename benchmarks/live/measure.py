"""Live: the most streams whose 99th percentile of capture-to-prediction latency stays under a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pptsn.benchmarks.live.criteria import SHARE
from pptsn.benchmarks.live.search import of_count, search
from pptsn.benchmarks.live.trial import SHARES, LiveLoad, Trial, run_trial
from pptsn.benchmarks.measure.engines import backend_name
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import percentile_over_repeats
from pptsn.benchmarks.measure.results import Measurement, Result, Setting
from pptsn.runtime.base.errors import ModelError, PptsnError
from pptsn.runtime.engines import Engine


def measure_live(
    engine: Engine,
    model: str | Path,
    load: LiveLoad,
    *,
    most: int,
    method: Method,
    tell: Callable[[Trial], None] = lambda trial: None,
) -> Result:
    """Return the most streams with `load` that `engine` serves in time, 0 to `most`.

    A trial holds where the 99th percentile is at most the bound, no stream has more than a tenth of its
    predictions over it, none failed or had a sampled frame dropped, and each made its predictions, and came from
    its source, at 99 % of the pace or more.  The answer held twice, and one stream more failed twice: see `search`
    for where that ends.

    Only the number of streams is better or worse: latencies are those of the number that was found.

    model: the file that the engine was opened from.  method: its watch looks at the machine before each trial.
    tell: takes each trial when it is done.  Raises ModelError where the engine fails.
    """

    def run(streams: int) -> Trial:
        method.watch.look()
        try:
            trial = run_trial(engine, load, streams)
        except PptsnError:
            raise
        except Exception as error:  # engines have errors of all kinds
            raise ModelError(model, f"the engine failed ({type(error).__name__}: {error})") from error
        tell(trial)
        return trial

    streams, trials = search(run, start=min(most, load.enough_streams()), most=most)
    method.watch.look()
    return Result(
        section="live",
        settings=_settings(engine, model, load),
        measurements=(_streams(streams, trials, most), *_latencies(streams, trials)),
        facts={
            "most_tried": most,
            "prediction_every_s": load.settings.step_s,
            "latency_includes_decoding": not load.is_paced,
            "trials": [trial.to_dict() for trial in trials],
        },
        sentence=_sentence(streams, trials, load, most),
    )


def _settings(engine: Engine, model: str | Path, load: LiveLoad) -> dict[str, Setting]:
    return {
        "model": Path(model).name,
        "precision": engine.spec.precision,
        "backend": backend_name(engine),
        "views": load.settings.views,
        "window_s": load.settings.window_s,
        "segments": load.settings.segments,
        "source": load.source.name,
        "bound_ms": load.bound_ms,
        "fps": load.source.fps,
    }


def _streams(streams: int, trials: Sequence[Trial], most: int) -> Measurement:
    note = "as many as were tried: the machine may serve more" if streams == most else ""
    return Measurement(
        name="streams", unit="streams", better="higher", value=float(streams), samples=len(trials), note=note
    )


def _latencies(streams: int, trials: Sequence[Trial]) -> list[Measurement]:
    """Return the percentiles with the streams that were found; without any, that the 99th is not known."""
    if not streams:
        note = "not one stream holds"
        return [Measurement(name=_name_of(SHARE), unit="ms", better="", value=None, note=note)]
    repeats = [trial.ages_ms for trial in of_count(trials, streams) if trial.held]
    return [percentile_over_repeats(_name_of(share), share, repeats, better="") for share in SHARES]


def _name_of(share: float) -> str:
    return f"latency_p{round(100 * share)}_ms"


def _sentence(streams: int, trials: Sequence[Trial], load: LiveLoad, most: int) -> str:
    failed = sorted((trial for trial in trials if not trial.held), key=lambda trial: trial.streams)
    above = [trial for trial in failed if trial.streams > streams]
    kind = f"{load.source.name}{f' at {load.source.fps:g} frames/s' if load.source.fps else ''}"
    if not streams:
        return f"not one stream ({kind}) holds: {'; '.join(above[0].failures)}"
    after = " after decoding" if load.is_paced else ""
    held = f"{_counted(streams)} ({kind}) with p99 latency{after} within {load.bound_ms:g} ms"
    if not above:
        return f"{held}, which is as many as were tried" if streams == most else held
    return f"{held}; with {above[0].streams}: {'; '.join(above[0].failures)}"


def _counted(streams: int) -> str:
    return "1 stream" if streams == 1 else f"{streams} streams"
