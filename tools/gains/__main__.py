"""`python -m tools.gains CLIP --model M`: what each part of the toolkit gains over the plain way."""

from __future__ import annotations

import typer

from tools.gains.cli import gains

typer.run(gains)
