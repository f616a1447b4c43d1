"""Training PP-TSN in Paddle: network, data, recipe, trainer, evaluation, export.

Imports `runtime`, never `convert` or `benchmarks`.
"""
