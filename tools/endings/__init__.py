"""What commands leave behind, however they end: see `__main__`."""
