"""What a model is: its file, its spec, its labels, the manifest of a plan."""
