"""Classifying video files: clips, batches, the recognizer, results, lists of them."""
