"""The tables on what training can be asked for."""
