"""A folder of clips becomes a table: what each shows, how sure that is, and which clips to look at first.

    python examples/folder_to_csv.py clips/ --model output/model.onnx -o labels.csv

Rows come by margin, the score of the first class less that of the second: the answers to distrust stand on top.
Without Python of your own: pptsn classify clips/ --model output/model.onnx -o labels.csv
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from pathlib import Path

from pptsn import Failure, PptsnError, Recognizer

VIDEOS = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"}


def main() -> int:
    """Classify the folder; return how the program ends."""
    parser = argparse.ArgumentParser(description="Write what each clip of a folder shows into a table.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("-o", "--output", type=Path, default=Path("labels.csv"))
    arguments = parser.parse_args()
    clips = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in VIDEOS)
    if not clips:
        sys.exit(f"error: {arguments.folder}: holds no video")

    rows, failures = [], 0
    with Recognizer.open(arguments.model) as recognizer:
        for answer in recognizer.classify_many(clips, decoders="auto"):
            if isinstance(answer, Failure):
                failures += 1
                print(answer.error, file=sys.stderr)
                continue
            best = answer.top(1)[0]
            rows.append((answer.margin, answer.source, best.label, best.score, "; ".join(answer.warnings)))

    rows.sort()
    with arguments.output.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("source", "label", "score", "margin", "warnings"))
        for margin, source, label, score, warnings in rows:
            table.writerow((source, label, f"{score:.4f}", f"{margin:.4f}", warnings))

    for label, count in Counter(row[2] for row in rows).most_common():
        print(f"{count:6} {label}")
    print(f"{len(rows)} of {len(clips)} clips are in {arguments.output}")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PptsnError as error:
        sys.exit(f"error: {error}")
