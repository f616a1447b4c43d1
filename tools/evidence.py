"""Whether evidence points to where a class is seen: clips in which the shape shows for a third, in one corner.

python -m tools.evidence -m output/demo/model.onnx
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pptsn.cli.device_options import ModelOption
from pptsn.runtime.base.progress import progress_bar
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.classify.evidence import Evidence
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.recognizer import Recognizer
from pptsn.training.synthetic.mp4 import write_mp4
from pptsn.training.synthetic.scene import CLASS_NAMES, Spot, clip_frames, draw_layout
from tools.program import run

# How far a shape in a corner is from both edges, in its radii: a disc touches them.
_INSIDE = 1.0
# Enough for three in each third.
_SEGMENTS = 9


@dataclass(frozen=True)
class SpottedClip:
    """A clip whose shape shows only in the frames and the corner of `spot`; label: its class."""

    path: Path
    label: int
    spot: Spot

    @property
    def corner(self) -> str:
        """What the crop in that corner is called."""
        return f"{'bottom' if self.spot.bottom else 'top'} {'right' if self.spot.right else 'left'}"


@dataclass
class Hits:
    """Of `right` clips that were answered rightly: where the largest part was where the shape shows.

    moment: the frame with the largest part.  corner: the crop with the largest.  part: the largest of all, in
    both.
    """

    clips: int = 0
    right: int = 0
    moment: int = 0
    corner: int = 0
    part: int = 0

    def add(self, clip: SpottedClip, answer: Classification) -> None:
        """Count one more clip."""
        self.clips += 1
        if answer.top(1)[0].class_id == clip.label:
            self.right += 1
            evidence = answer.evidence()
            frames, crops = shown_in(clip, evidence)
            frame, crop = divmod(int(evidence.parts.argmax()), len(evidence.crops))
            self.part += frames[frame] and crops[crop]
            self.moment += frames[int(evidence.by_frame.argmax())]
            self.corner += crops[int(evidence.by_crop.argmax())]

    def lines(self) -> Iterator[str]:
        """Yield what was found."""
        yield f"{self.right} of {self.clips} clips answered rightly; of these"
        for name, count in (
            ("largest part of all in that third and corner", self.part),
            ("largest part of a frame in that third", self.moment),
            ("largest part of a crop in that corner", self.corner),
        ):
            yield f"  {name}: {count} ({count / max(1, self.right):.1%})"


def shown_in(clip: SpottedClip, evidence: Evidence) -> tuple[list[bool], list[bool]]:
    """Return for each frame of `evidence` whether the shape shows in it, and for each crop whether it is there."""
    frames = [frame in clip.spot.frames for frame in evidence.frames]
    return frames, [crop == clip.corner for crop in evidence.crops]


def make_clips(folder: Path, *, clips: int, seed: int) -> Iterator[SpottedClip]:
    """Write so many clips into `folder`, of each class in turn, each as it is asked for."""
    for number in range(clips):
        scene_rng, shape_rng, spot_rng = (np.random.default_rng([seed, number, part]) for part in range(3))
        layout, label = draw_layout(scene_rng), number % len(CLASS_NAMES)
        third, right, bottom = spot_rng.integers((3, 2, 2))
        shown = range(third * layout.frames // 3, (third + 1) * layout.frames // 3)
        spot = Spot(shown, bool(right), bool(bottom), _INSIDE)
        frames = clip_frames(layout, CLASS_NAMES[label], scene_rng=scene_rng, shape_rng=shape_rng, spot=spot)
        path = folder / f"{number:05d}_{CLASS_NAMES[label].replace(' ', '_')}.mp4"
        write_mp4(path, frames, fps=layout.fps)
        yield SpottedClip(path, label, spot)


def evidence(
    model: ModelOption,
    clips: Annotated[int, typer.Option(min=1, help="How many to make.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Decides every clip.")] = 0,
    keep: Annotated[Path | None, typer.Option(help="A folder to leave them in, with their list.txt.")] = None,
) -> None:
    """Tell where evidence points in clips in which the shape shows for a third of the time, in one corner."""
    hits = Hits()
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    with (
        nullcontext(keep) if keep is not None else temporary_folder() as folder,
        Recognizer.open(model, device="cpu") as recognizer,
        progress_bar() as bar,
    ):
        task = bar.add_task("classifying", total=clips)
        made = []
        for clip in make_clips(folder, clips=clips, seed=seed):
            made.append(clip)
            answer = recognizer.classify(
                clip.path, segments=_SEGMENTS, views="ten", sampling="linspace", evidence=True
            )
            hits.add(clip, answer)
            bar.advance(task)
    if keep is not None:
        (keep / "list.txt").write_text("".join(f"{clip.path.name} {clip.label}\n" for clip in made))
    for line in hits.lines():
        print(line)


if __name__ == "__main__":
    run(evidence)
