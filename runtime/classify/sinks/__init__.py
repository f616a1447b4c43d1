"""Where the results of `pptsn classify` go."""
