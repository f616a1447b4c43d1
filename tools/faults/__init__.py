"""Ready-made failing inputs, given to the commands: see `__main__`."""
