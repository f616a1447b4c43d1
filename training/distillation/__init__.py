"""Learning from another network beside the labels."""
