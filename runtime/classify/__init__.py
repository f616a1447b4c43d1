"""Classifying clips: which there are, batches of their crops, results, and where those go."""
