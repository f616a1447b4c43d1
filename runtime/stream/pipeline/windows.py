"""The windows of one stream, as its settings and its model say."""

from __future__ import annotations

from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.stream.actions.analysis import StreamAnalysis
from pptsn.runtime.stream.actions.thresholds import DecisionRules
from pptsn.runtime.stream.pipeline.settings import StreamSettings


def analysis_of(source: str, spec: ModelSpec, settings: StreamSettings, rules: DecisionRules) -> StreamAnalysis:
    """Return what makes predictions and events of the frames of the stream `source`.

    settings: without what a model may say, see `StreamSettings.for_model`.
    """
    return StreamAnalysis(
        source,
        spec.labels,
        rules,
        temperature=spec.temperature,
        segments=settings.protocol.segments,
        step_s=settings.step_s,
        every_s=settings.every_s,
        max_staleness_s=settings.max_staleness_s,
    )
