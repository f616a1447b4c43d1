"""How right a model is over a labelled list: one rule for whoever reports it."""
