"""The harness that all benchmarks share: how things are timed, what was found, on which machine."""
