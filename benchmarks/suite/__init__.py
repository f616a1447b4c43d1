"""All benchmarks one after another, small enough to end in minutes: `pptsn bench run`, and `make bench`.

where     what
--------  -----------------------------------------------------------------------------------------------------
`parts`   what each part measures, and by how much
`running` the parts in turn: one that fails is a result that says so, and the others go on
`cli`     the command
"""
