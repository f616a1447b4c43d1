"""One run of `pptsn stream`."""
