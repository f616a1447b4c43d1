"""What training can be asked for, and what each of it gains: mean and spread over seeds, whatever they are.

    python -m tools.tables -o output/tables/table.md

What was measured is kept: stopped at any moment, it goes on with the next run.  `--runs 1` does one and ends.

where        what
-----------  ---------------------------------------------------------------------------------------
`rows`       the rows of the table: what each changes of the recipe, and which weights of a run it is
`runs`       one run: trained, its weights evaluated
`kept`       what was measured, a line each, so that a table can be gone on with
`table`      the table
`narrow`     networks of few channels
`int8`       the program of another table: what INT8 costs, and what training that rounds gains back
`__main__`   the command line

The recipe is `configs/synthetic_hard.yaml`, its network a narrow one: half a minute a run on one core.
"""
