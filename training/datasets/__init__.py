"""Public data sets: lists from their annotation files, extracted frames, and checks of what is listed."""
