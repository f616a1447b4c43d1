"""FP16: casting, compensated rounding, and the proof of it."""
