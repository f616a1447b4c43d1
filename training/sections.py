"""The sections of a recipe: what each key means, its default and its range."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.frames.protocols import LEAST_S, LONGEST_WINDOW_S, StreamProtocol
from pptsn.runtime.model.spec import ARCHITECTURES, LARGEST_SIDE, MOST_CLASSES, MOST_SEGMENTS, RESNET_VD

INVERSE_FREQUENCY = "inverse_frequency"
MULTI_SCALE: Final = "multi_scale"
COLOURS = ("brightness", "contrast", "saturation", "hue")


class Section(BaseModel):
    """What all sections are: without unknown keys, immutable, of finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class ModelSection(Section):
    """The network and the size of its input.

    architecture, depth: one of those in `pptsn.runtime.model.spec.ARCHITECTURES`.
    classes: None takes the number of labels in `data.labels`, or 400 where there are none.
    pretrained: a `.pdparams` file to start from: a backbone, or a full checkpoint, whose classifier is kept where
    it is of the same classes.
    sync_batch_norm: count batch norm's statistics over all ranks, on GPUs; the published recipe counts by rank.
    precise_batch_norm: count batch norm's statistics anew before each validation, over so many clips of the
    training list (of all ranks together, in whole batches, an epoch at most), see `learning.statistics`.
    freeze: the last stage of the backbone that keeps its pretrained weights, with all before it: stem, res2, ...
    res5; None for none.
    int8: an INT8 file of the pretrained weights: the network rounds as the file does, so that training makes up
    for it, and batch norm keeps its statistics (see `network.int8`); None for no rounding.
    head_only: leave all of the pretrained backbone as it is and fit the classifier alone, see
    `pptsn.training.head_only`; of the sections optimizer and augmentation, class_weights alone counts then.
    short_side, crop_size: of the resized frame and the crop, in pixels.
    resize_rule: of the deployed model and the evaluation; training and validation keep the aspect.
    """

    architecture: str = RESNET_VD
    depth: int = 50
    classes: int | None = Field(default=None, ge=2, le=MOST_CLASSES)
    drop_ratio: float = Field(default=0.4, ge=0, lt=1)
    num_seg: int = Field(default=3, ge=1, le=MOST_SEGMENTS)
    short_side: int = Field(default=256, ge=1, le=LARGEST_SIDE)
    crop_size: int = Field(default=224, ge=1, le=LARGEST_SIDE)
    resize_rule: Literal["fixed_ratio", "keep_aspect", "keep_aspect_floor"] = "fixed_ratio"
    pretrained: Path | None = None
    sync_batch_norm: bool = False
    precise_batch_norm: int | None = Field(default=None, ge=1, le=2**31)
    freeze: str | None = None
    int8: Path | None = None
    head_only: bool = False

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, architecture: str) -> str:
        if architecture not in ARCHITECTURES:
            raise ValueError(f"expected one of {', '.join(ARCHITECTURES)}")
        return architecture

    @field_validator("depth")
    @classmethod
    def _known_depth(cls, depth: int, info: ValidationInfo) -> int:
        depths = ARCHITECTURES.get(info.data.get("architecture", ""), (depth,))
        if depth not in depths:
            raise ValueError(f"expected one of {', '.join(map(str, depths))}")
        return depth

    @model_validator(mode="after")
    def _crop_fits(self) -> ModelSection:
        if self.crop_size > self.short_side:
            raise ValueError(f"crop_size {self.crop_size} exceeds short_side {self.short_side}")
        return self

    @model_validator(mode="after")
    def _something_to_freeze(self) -> ModelSection:
        if self.freeze and self.pretrained is None:
            raise ValueError(
                "freeze needs pretrained: random weights are nothing to keep; --set model.pretrained=FILE"
            )
        if self.head_only and self.pretrained is None:
            raise ValueError(
                "head_only needs pretrained: random weights tell little of clips; --set model.pretrained=FILE"
            )
        return self

    @model_validator(mode="after")
    def _something_to_round(self) -> ModelSection:
        if self.int8 and self.pretrained is None:
            raise ValueError(
                "int8 needs pretrained, the weights that the file was made of; --set model.pretrained=FILE"
            )
        if self.int8 and self.precise_batch_norm:
            raise ValueError("int8 keeps batch norm's statistics; leave out precise_batch_norm")
        if self.int8 and self.head_only:
            raise ValueError("head_only leaves the backbone as it is; leave out int8, or head_only")
        return self


class DataSection(Section):
    """Where the clips are.  Paths are relative to the working folder.

    train, val, test: list files.  prefix: the folder that paths in them are relative to; None is the list's own.
    folds: in place of val, a list of the clips of train with the number of a fold in place of a class: each is
    validated with, by what has learned from the others, see `pptsn.training.learning.cross_fitting`.
    labels: file of class names.  workers: processes that load clips; 0 loads in the training process.
    max_unreadable: share of a list, 0..1, that may be unreadable before the run fails.
    """

    train: Path
    val: Path | None = None
    test: Path | None = None
    folds: Path | None = None
    format: Literal["videos", "frames"] = "videos"
    prefix: Path | None = None
    labels: Path | None = None
    workers: int = Field(default=2, ge=0, le=1024)
    max_unreadable: float = Field(default=0.05, ge=0, le=1)

    @model_validator(mode="after")
    def _one_way_to_validate(self) -> DataSection:
        if self.val is None and self.folds is None:
            raise ValueError("val is missing, the list to validate with")
        if self.val is not None and self.folds is not None:
            raise ValueError("val and folds are both set; leave out one")
        return self


class OptimizerSection(Section):
    """Steps and rates: see `optimizer.learning_rate` and `optimizer.RecipeOptimizer`.

    batch_size: clips that go through the network at once; all of a list that has fewer.
    accumulate: batches whose gradients are averaged for one step, which so sees batch_size * accumulate clips.
    clips_per_step: of all ranks together; accumulates as many batches as make so many, whatever the number of
    ranks, in place of `accumulate`.
    rates_for: clips a step that base_rate and warmup_rate are meant for: they are scaled by the clips that a step
    does see.  None takes the rates as they are.
    clip_norm: the largest L2 norm of all gradients of a step together; None for any.
    ema_decay: of an exponential moving average of the weights, which is validated and saved in their place; None
    for no average.
    class_weights: of the losses of clips in training, by their class: inverse_frequency, by the training list, or
    a number for each class, whose ratios alone count; None weighs all clips alike.
    patience: epochs without a better validation after which training ends; None trains all `epochs`.
    """

    epochs: int = Field(default=100, ge=1, le=1_000_000)
    batch_size: int = Field(default=32, ge=1, le=65_536)
    accumulate: int = Field(default=1, ge=1, le=65_536)
    clips_per_step: int | None = Field(default=None, ge=1, le=2**31)
    rates_for: int | None = Field(default=None, ge=1, le=2**31)
    base_rate: float = Field(default=0.01, gt=0)
    warmup_epochs: float = Field(default=10, ge=0)
    warmup_rate: float = Field(default=0.005, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    class_weights: str | tuple[float, ...] | None = None
    patience: int | None = Field(default=None, ge=1, le=1_000_000)

    @field_validator("class_weights", mode="before")
    @classmethod
    def _names_or_numbers(cls, weights: object) -> object:
        if weights is None or weights == INVERSE_FREQUENCY:
            return weights
        try:
            numbers = tuple(map(float, weights)) if isinstance(weights, list | tuple) else ()
        except (OverflowError, TypeError, ValueError):
            numbers = ()
        if not numbers or not all(0 < number < math.inf for number in numbers):
            raise ValueError(f"expected {INVERSE_FREQUENCY}, or a list of numbers greater than 0")
        return numbers

    def batches_per_step(self, ranks: int) -> int:
        """Return how many batches each of `ranks` accumulates for a step.

        Raises UsageError where no whole number of them makes `clips_per_step`, or where both keys are set.
        """
        if self.clips_per_step is None:
            return self.accumulate
        if self.accumulate > 1:
            cause = f"and accumulate ({self.accumulate}) are both set"
            raise UsageError("optimizer.clips_per_step", cause, "leave one of them out")
        batches, rest = divmod(self.clips_per_step, self.batch_size * ranks)
        if rest or not batches:
            of_ranks = f" on each of {ranks} ranks" if ranks > 1 else ""
            cause = f"is {self.clips_per_step}, which batches of {self.batch_size}{of_ranks} do not make"
            raise UsageError("optimizer.clips_per_step", cause, "choose a batch_size that divides it")
        return batches

    def rate_factor(self, clips_per_step: int) -> float:
        """Return what the rates are multiplied by where a step sees `clips_per_step` clips."""
        return clips_per_step / self.rates_for if self.rates_for else 1.0


class AugmentationSection(Section):
    """What is drawn for the clips of the training list, once for all frames of one.

    draws: so many drawings of each clip's frames, crop, flip and colours come in turn, epoch by epoch; None draws
    new ones for each epoch.
    mixup_alpha: of Beta(alpha, alpha), 0 for no mixup.  label_smoothing: share spread over all classes.
    crop: multi_scale, as published, or random_resized, with crop_area and crop_ratio, the ranges [lowest, highest]
    of its share of the frame and of its width to its height; None for 0.08 to 1 and 3/4 to 4/3.
    brightness, contrast, saturation: how far factors of these may be from 1, 0 for no change.  hue: how far it may
    be turned, in turns.
    """

    draws: int | None = Field(default=None, ge=1, le=1_000_000)
    mixup_alpha: float = Field(default=0.2, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    crop: Literal["multi_scale", "random_resized"] = MULTI_SCALE
    crop_area: tuple[float, float] | None = None
    crop_ratio: tuple[float, float] | None = None
    brightness: float = Field(default=0, ge=0, le=10)
    contrast: float = Field(default=0, ge=0, le=10)
    saturation: float = Field(default=0, ge=0, le=10)
    hue: float = Field(default=0, ge=0, le=0.5)

    @model_validator(mode="after")
    def _ranges_of_a_crop(self) -> AugmentationSection:
        for name, least, most in (("crop_area", 1e-4, 1), ("crop_ratio", 0.01, 100)):
            limits = getattr(self, name)
            if limits is None:
                continue
            if self.crop == MULTI_SCALE:
                raise ValueError(f"{name} needs crop: random_resized")
            if not least <= limits[0] <= limits[1] <= most:
                expected = f"expected [LOWEST, HIGHEST] from {least:g} to {most}"
                raise ValueError(f"{name} is {list(limits)}, {expected}")
        return self


class DistillationSection(Section):
    """What is learned from another network's answers beside the labels: a teacher's, or those of a second network.

    The loss is label_weight * that of the labels + weight * temperature² * the divergence (Kullback and Leibler's)
    of the softened scores from the other's, see `distillation.objective`.

    teacher: a full checkpoint of any depth (`.pdparams`), or a converted model (`.onnx`), of the same classes and
    size of crops.
    soft_labels: a folder in which the teacher's answers are kept and read again, see `distillation.soft_labels`;
    with `augmentation.draws` it answers no more once it has seen each drawing.
    mutual_depth: of a second network, which is trained beside the first; each learns from the other's answers.
    mutual_pretrained: what that begins with, as `model.pretrained`.
    temperature: what the logits of both are divided by for this; None is 4 with a teacher, 1 without.
    weight, label_weight: of the two parts of the loss.
    """

    teacher: Path | None = None
    soft_labels: Path | None = None
    mutual_depth: int | None = None
    mutual_pretrained: Path | None = None
    temperature: float | None = Field(default=None, gt=0, le=1000)
    weight: float = Field(default=1, gt=0, le=1e6)
    label_weight: float = Field(default=1, ge=0, le=1e6)

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> DistillationSection:
        if self.teacher and self.mutual_depth:
            raise ValueError("teacher and mutual_depth are both set; leave out one")
        for name, others in (
            ("soft_labels", ("teacher",)),
            ("mutual_pretrained", ("mutual_depth",)),
            *((name, ("teacher", "mutual_depth")) for name in ("temperature", "weight", "label_weight")),
        ):
            changed = getattr(self, name) != type(self).model_fields[name].default
            if changed and not any(getattr(self, other) for other in others):
                raise ValueError(f"{name} needs {' or '.join(others)}")
        return self

    @property
    def line(self) -> str:
        """What the loss is made of, for people."""
        return (
            f"the loss is {self.label_weight:g} * labels + {self.weight:g} * soft labels "
            f"at temperature {self.divisor:g}"
        )

    @property
    def mutual_line(self) -> str:
        """What a user should know before two networks learn from each other."""
        return (
            f"distillation: a second network, of depth {self.mutual_depth}, is trained beside it, and each learns "
            f"from the other; of both {self.line}"
        )

    @property
    def divisor(self) -> float:
        """The temperature, which has a default of its own for each of the two ways."""
        return self.temperature or (1.0 if self.mutual_depth else 4.0)


class CudnnSection(Section):
    """Memory and kernels of cuDNN, on GPUs; on a CPU none of it has an effect.  As PaddleVideo trains.

    workspace_mb: memory that a convolution may take beside its arrays, in MB (FLAGS_conv_workspace_size_limit).
    exhaustive_search: times all kernels of a convolution and takes the fastest (FLAGS_cudnn_exhaustive_search).
    persistent_batch_norm: counts statistics in kernels that keep a channel on the chip
    (FLAGS_cudnn_batchnorm_spatial_persistent).
    """

    workspace_mb: int = Field(default=800, ge=1, le=1_048_576)
    exhaustive_search: bool = True
    persistent_batch_norm: bool = True


class EvaluationSection(Section):
    """How `pptsn evaluate` looks at clips.

    views, segments: crops of a frame, and frames of a clip.  sampling: which frames.  resize_rule: how they are
    resized.  They go into the spec of what is trained.  None is 25 segments, ten views, centre and
    `model.resize_rule` for a checkpoint, and for other models what their own spec says.
    batch_crops: crops that go through the network at once.
    """

    views: Literal["ten", "three", "center"] | None = None
    segments: int | None = Field(default=None, ge=1, le=MOST_SEGMENTS)
    sampling: Literal["centre", "linspace"] | None = None
    resize_rule: Literal["fixed_ratio", "keep_aspect", "keep_aspect_floor"] | None = None
    batch_crops: int = Field(default=50, ge=1, le=65_536)


class StreamSection(Section):
    """How `pptsn stream` looks at streams with what is trained, in whose spec it goes.

    window_s, segments, views: see `StreamProtocol`; None leaves each to the defaults there.
    """

    window_s: float | None = Field(default=None, ge=LEAST_S, le=LONGEST_WINDOW_S)
    segments: int | None = Field(default=None, ge=1, le=MOST_SEGMENTS)
    views: Literal["ten", "three", "center"] | None = None

    @model_validator(mode="after")
    def _frames_that_there_are(self) -> StreamSection:
        try:
            StreamProtocol(**self.model_dump(exclude_none=True))
        except UsageError as error:
            raise ValueError(f"window_s {error.cause}") from error
        return self
