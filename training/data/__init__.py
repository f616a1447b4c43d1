"""From lists to augmented batches."""
