"""Pictures for people: annotated videos and previews."""
