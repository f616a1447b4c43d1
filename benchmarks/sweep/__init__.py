"""What models, backends, views, segments and batches cost, and what they are worth: one cell for each combination.

cells      the combinations, what goes into a cell's process and what comes out of it
clips      the list that they are measured on
run        all cells in turn       process    one cell in a process of its own
timed      what that measures      outcomes   from what was found to results
pareto     the cells that no other beats, and the one to take
"""
