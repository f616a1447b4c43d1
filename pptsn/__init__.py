"""PP-TSN for edge devices: the public names for Python.

    from pptsn import Recognizer

    with Recognizer.open("model.onnx") as recognizer:
        print(recognizer.classify("clip.mp4", segments=25).top(5))

Public names are imported when they are first asked for, so that `import pptsn` needs neither NumPy nor an engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pptsn.runtime.base import __version__ as __version__

if TYPE_CHECKING:  # the same names as in _HOMES, for type checkers
    from pptsn.runtime.base.errors import InputError as InputError
    from pptsn.runtime.base.errors import MissingDependencyError as MissingDependencyError
    from pptsn.runtime.base.errors import ModelError as ModelError
    from pptsn.runtime.base.errors import PptsnError as PptsnError
    from pptsn.runtime.base.errors import UsageError as UsageError
    from pptsn.runtime.base.errors import VerificationError as VerificationError
    from pptsn.runtime.classify.evidence import CropLogits as CropLogits
    from pptsn.runtime.classify.evidence import Evidence as Evidence
    from pptsn.runtime.classify.features import ClipFeatures as ClipFeatures
    from pptsn.runtime.classify.results import Classification as Classification
    from pptsn.runtime.classify.results import Failure as Failure
    from pptsn.runtime.classify.results import Prediction as Prediction
    from pptsn.runtime.classify.results import Truth as Truth
    from pptsn.runtime.decoding.clips import Labelled as Labelled
    from pptsn.runtime.decoding.given import Frames as Frames
    from pptsn.runtime.engines import Engine as Engine
    from pptsn.runtime.engines import open_engine as open_engine
    from pptsn.runtime.model.spec import ModelSpec as ModelSpec
    from pptsn.runtime.recognizer import Recognizer as Recognizer
    from pptsn.runtime.stream.actions.messages import ActionEvent as ActionEvent
    from pptsn.runtime.stream.actions.messages import StreamNotice as StreamNotice
    from pptsn.runtime.stream.actions.messages import StreamPrediction as StreamPrediction
    from pptsn.runtime.stream.pipeline.frame_stream import FrameStream as FrameStream
    from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline as StreamPipeline
    from pptsn.runtime.stream.pipeline.settings import StreamSettings as StreamSettings
    from pptsn.runtime.stream.sinks.base import Sink as Sink
    from pptsn.runtime.stream.sources.uri import parse_source as parse_source

_HOMES = {
    "ActionEvent": "pptsn.runtime.stream.actions.messages",
    "Classification": "pptsn.runtime.classify.results",
    "ClipFeatures": "pptsn.runtime.classify.features",
    "CropLogits": "pptsn.runtime.classify.evidence",
    "Engine": "pptsn.runtime.engines",
    "Evidence": "pptsn.runtime.classify.evidence",
    "Failure": "pptsn.runtime.classify.results",
    "FrameStream": "pptsn.runtime.stream.pipeline.frame_stream",
    "Frames": "pptsn.runtime.decoding.given",
    "InputError": "pptsn.runtime.base.errors",
    "Labelled": "pptsn.runtime.decoding.clips",
    "MissingDependencyError": "pptsn.runtime.base.errors",
    "ModelError": "pptsn.runtime.base.errors",
    "ModelSpec": "pptsn.runtime.model.spec",
    "PptsnError": "pptsn.runtime.base.errors",
    "Prediction": "pptsn.runtime.classify.results",
    "Recognizer": "pptsn.runtime.recognizer",
    "Sink": "pptsn.runtime.stream.sinks.base",
    "StreamNotice": "pptsn.runtime.stream.actions.messages",
    "StreamPipeline": "pptsn.runtime.stream.pipeline.pipeline",
    "StreamPrediction": "pptsn.runtime.stream.actions.messages",
    "StreamSettings": "pptsn.runtime.stream.pipeline.settings",
    "Truth": "pptsn.runtime.classify.results",
    "UsageError": "pptsn.runtime.base.errors",
    "VerificationError": "pptsn.runtime.base.errors",
    "open_engine": "pptsn.runtime.engines",
    "parse_source": "pptsn.runtime.stream.sources.uri",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pptsn' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
