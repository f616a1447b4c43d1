"""Input that chance has broken, and what the commands make of it: no hang, no crash, no traceback, no lost row."""
