"""Where the time of classifying clips goes, stage by stage, and which stage holds the rest up.

`measuring` makes runs of one subject, or of several in turn, on the same clips; `report` keeps what `base.stages`
reports of them, and says what all runs of a subject come to, as a Result; `advice` tells which stage is the
bottleneck, and what to try.
"""
