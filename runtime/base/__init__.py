"""What every folder builds on: errors, whole files, closing, progress, timed stages, the machine's share."""

__version__ = "0.1.0"
