"""What an address holds that nobody else may see: variables in its place, and masks over it."""
