"""The commands of `pptsn data`."""

from __future__ import annotations

from pptsn.cli.lazy import lazy_app

app = lazy_app(
    {
        "folder": (
            "pptsn.cli.data.folder:folder",
            "Make lists, class names and a recipe of clips in one folder a class.",
        ),
        "k400": ("pptsn.cli.data.k400:k400", "Make the lists of Kinetics-400 from its annotation files."),
        "ucf101": (
            "pptsn.cli.data.ucf101:ucf101",
            "Make the lists of UCF-101's three splits from its annotation files.",
        ),
        "frames": (
            "pptsn.cli.data.frames:frames",
            "Extract the frames of a list's videos, and write the list of their folders.",
        ),
        "check": (
            "pptsn.cli.data.check:check",
            "Decode all that a list names, to the end, and say what is wrong with it.",
        ),
    },
    help="Prepare data sets: lists, extracted frames, checks.",
)
