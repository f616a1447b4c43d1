"""Kinds of a toy's own, one file each."""
