"""Where a stream's results go.  `base` says what a sink is; each of the others is one kind."""
