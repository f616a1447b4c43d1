"""All streams, one engine, all sinks."""
