"""Commands that are run by several ranks: the option by which they are, and the program of a rank."""
