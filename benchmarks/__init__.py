"""What is measured and how.

Imports `pptsn.runtime`, never `training` or `convert`.
"""

if __name__ != "pptsn.benchmarks":  # a checkout holds the folder under its bare name too
    raise ImportError(f"{__name__} is a part of the package pptsn; write: import pptsn.benchmarks")
