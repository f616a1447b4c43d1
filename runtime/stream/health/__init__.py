"""How streams, sinks and stages are doing."""
