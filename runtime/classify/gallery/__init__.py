"""A gallery of results: one page to look through, sort and filter, with small pictures of each clip."""
