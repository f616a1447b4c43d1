"""A data set of one's own: one folder a class, from which lists, class names and a recipe are made."""
