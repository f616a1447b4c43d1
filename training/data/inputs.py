"""What a recipe refers to: labels, lists, the loader's settings, the spec of the model it makes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.progress import print_note
from pptsn.runtime.classify.lists import Sample, read_list
from pptsn.runtime.frames.protocols import PUBLISHED
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.labels import kinetics400, read_labels
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training.data.augment import ResizedCrop
from pptsn.training.data.colour import ColourJitter
from pptsn.training.data.dataset import ClipSettings
from pptsn.training.data.folds import read_folds
from pptsn.training.recipe import Recipe
from pptsn.training.sections import COLOURS, MULTI_SCALE, AugmentationSection


def labels_of(recipe: Recipe) -> tuple[str, ...]:
    """Return the class names of `recipe`, whose number is the number of classes.

    From `data.labels`; without it Kinetics-400's for 400 classes, else class_0, class_1 and so on.
    Raises UsageError where the file's names are not as many as `model.classes`.
    """
    classes = recipe.model.classes
    if recipe.data.labels is not None:
        labels = read_labels(recipe.data.labels)
        if classes not in (None, len(labels)):
            cause = f"names {len(labels)} classes, model.classes is {classes}"
            raise UsageError(recipe.data.labels, cause, "leave model.classes out, or correct the file")
        return labels
    if classes in (None, 400):
        return kinetics400()
    return _numbered(classes or 0)


def are_names(labels: Sequence[str]) -> bool:
    """Whether `labels` name classes, rather than number them where `labels_of` found no names."""
    return tuple(labels) != _numbered(len(labels))


def _numbered(classes: int) -> tuple[str, ...]:
    return tuple(f"class_{index}" for index in range(classes))


@dataclass(frozen=True)
class SampleLists:
    """The training and the validation list; in its place the fold of each clip to train on, see `read_folds`."""

    train: Sequence[Sample]
    val: Sequence[Sample]
    folds: Sequence[int] = ()

    def digest(self) -> str:
        """Return the SHA-256, in hexadecimal, of clips, labels, folds and their order."""
        if not self.folds:
            return lists_digest(self.train, self.val)
        folded = [replace(clip, label=fold) for clip, fold in zip(self.train, self.folds, strict=True)]
        return lists_digest(self.train, folded)


def int8_digest(recipe: Recipe) -> str:
    """Return the SHA-256 of the INT8 file that training by `recipe` rounds like; "" for none.

    Raises ModelError where it cannot be read.
    """
    return ModelFile.open(recipe.model.int8).sha256 if recipe.model.int8 else ""


def lists_digest(*lists: Sequence[Sample]) -> str:
    """Return the SHA-256, in hexadecimal, of the clips and labels of `lists` and their order."""
    digest = hashlib.sha256()
    for clips in lists:
        digest.update(f"{len(clips)}\n".encode())
        for clip in clips:
            digest.update(f"{clip.path}\0{clip.label}\0{clip.frames}\n".encode())
    return digest.hexdigest()


def sample_lists(recipe: Recipe, *, classes: int) -> SampleLists:
    """Read the training and validation list of `recipe`, or its folds.

    Raises what `read_list` and `read_folds` raise.
    """
    data = recipe.data
    train, val = (
        read_list(path, format=data.format, prefix=data.prefix, classes=classes, note=print_note) if path else []
        for path in (data.train, data.val)
    )
    return SampleLists(train, val, read_folds(data, train))


def clip_settings(recipe: Recipe) -> ClipSettings:
    """Return what the loader needs to know of `recipe`."""
    return ClipSettings(
        num_seg=recipe.model.num_seg,
        short_side=recipe.model.short_side,
        crop_size=recipe.model.crop_size,
        crop=_resized_crop(recipe.augmentation),
        jitter=ColourJitter(**{name: getattr(recipe.augmentation, name) for name in COLOURS}),
        max_unreadable=recipe.data.max_unreadable,
        draws=recipe.augmentation.draws,
    )


def _resized_crop(augmentation: AugmentationSection) -> ResizedCrop | None:
    if augmentation.crop == MULTI_SCALE:
        return None
    ranges = {"area": augmentation.crop_area, "ratio": augmentation.crop_ratio}
    return ResizedCrop(**{name: limits for name, limits in ranges.items() if limits is not None})


def model_spec(recipe: Recipe, *, labels: tuple[str, ...], weights_digest: str) -> ModelSpec:
    """Return the spec of a model trained by `recipe`."""
    model = recipe.model
    looked_at = PUBLISHED.but(**recipe.evaluation.model_dump(include={"segments", "views", "sampling"}))
    return ModelSpec(
        architecture=model.architecture,
        depth=model.depth,
        labels=labels,
        weights_digest=weights_digest,
        short_side=model.short_side,
        crop_size=model.crop_size,
        resize_rule=recipe.evaluation.resize_rule or model.resize_rule,
        num_seg=model.num_seg,
        segments=looked_at.segments,
        views=looked_at.views,
        sampling=looked_at.sampling,
        **{f"stream_{name}": value for name, value in recipe.stream},
    )
