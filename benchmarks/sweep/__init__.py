"""What models, backends, views, segments and batches cost, and what they are worth: one cell for each combination.

cells       the combinations        clips      the list that they are measured on
run         all cells in turn       child      starting one cell's process, and how it ended
cell        that process            timed      what it measures        job, memory   what goes in and out of it
accuracy    right or agreeing       outcomes   from what was found to results
pareto      the cells that no other beats, and the one to take
progress, cli   the command `pptsn bench sweep`
"""
