"""How fast a pipeline is for a given engine and given decoders: stand-ins that sleep, and a written model."""
