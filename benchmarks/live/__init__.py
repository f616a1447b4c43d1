"""Live: the most streams whose predictions stay young, found by trying.

where      what
---------  ------------------------------------------------------------------------------------
`source`   what each stream reads: a clip that is made, or the user's own
`trial`    some streams for some seconds, and whether they held
`criteria` how old each stream's predictions were, and what a trial has to keep
`measure`  the most streams that hold, and the search as a result
"""
