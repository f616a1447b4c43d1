"""Which clips look most like one: its nearest neighbours by what the network sees before it names a class.

    python examples/similar_clips.py goal.mp4 clips/*.mp4 --model output/model.onnx

The classes of the model play no part in it, so that it finds what it was never trained to name as well.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from pptsn import Failure, PptsnError, Recognizer


def main() -> int:
    """Compare the clips; return how the program ends."""
    parser = argparse.ArgumentParser(description="Say which clips look most like one of them.")
    parser.add_argument("wanted", help="the clip to compare with")
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--count", type=int, default=5, help="neighbours to show")
    arguments = parser.parse_args()

    found, failures = [], 0
    with Recognizer.open(arguments.model) as recognizer:
        wanted = recognizer.features(arguments.wanted).clip
        for each in recognizer.features_many(arguments.clips, decoders="auto"):
            if isinstance(each, Failure):
                failures += 1
                print(each.error, file=sys.stderr)
                continue
            # The cosine of the angle between the two vectors: 1 where the clips look the same.
            likeness = wanted @ each.clip / (np.linalg.norm(wanted) * np.linalg.norm(each.clip))
            found.append((likeness, each.source))

    for likeness, source in sorted(found, reverse=True)[: arguments.count]:
        print(f"{likeness:.3f} {source}")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PptsnError as error:
        sys.exit(f"error: {error}")
