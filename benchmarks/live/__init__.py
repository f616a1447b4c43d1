"""Live: the most streams whose predictions stay young, found by trying.

where      what
---------  ------------------------------------------------------------------------------------
`source`   what each stream reads: a clip that is made, or the user's own
`trial`    some streams for some seconds, and whether they held
`criteria` what a trial has to keep
`ages`     how old each stream's predictions were
`search`   the most streams that hold
`measure`  the search as a result
"""
