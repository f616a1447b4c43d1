"""`pptsn report`: how right a model is, of which classes, how sure, and where it fails: one page, tables, JSON."""
