"""Paddle: the library, imported once and in one way, and graphs that it saved, run on the CPU."""
