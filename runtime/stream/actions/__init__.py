"""What the scores of a stream mean: windows, smoothing, thresholds, events, and the messages that say so."""
