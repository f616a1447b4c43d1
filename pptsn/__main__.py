"""`python -m pptsn` is `pptsn`."""

from pptsn.cli.program import run

run()
