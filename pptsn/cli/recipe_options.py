"""The recipe, as `pptsn train` and `pptsn evaluate` take it."""

from __future__ import annotations

from typing import Annotated

import typer

RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A YAML file, or the name of a recipe that comes with pptsn: demo, kinetics400, kinetics400_frames, "
        "resnet50_synthetic, synthetic_hard, ucf101, ucf101_frames.",
    ),
]
RecipeChanges = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe; repeatable."),
]
