"""Finding out by measurement how a model runs fastest on this machine."""
