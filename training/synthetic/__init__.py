"""The synthetic data set: drawn scenes as real H.264 files."""
