"""`python -m pptsn` is `pptsn`."""

from pptsn.cli.program import main

main()
