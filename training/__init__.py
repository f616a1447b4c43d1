"""Training PP-TSN in Paddle: network, data, recipe, trainer, evaluation, export.

Imports `pptsn.runtime`, never `convert` or `benchmarks`.
"""

if __name__ != "pptsn.training":  # a checkout holds the folder under its bare name too
    raise ImportError(f"{__name__} is a part of the package pptsn; write: import pptsn.training")
